//! The node agent: pods, probes, volumes, images, status, server.
