"""Tests across hosts: two nodes with pods and a host outside of the cluster, each with its own instance."""
