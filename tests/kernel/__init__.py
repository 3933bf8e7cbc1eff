"""Tests of the data plane on real sockets: one host, loopback, cgroups and pins of their own."""
