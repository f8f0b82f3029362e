//! The built-in controllers; each a client of the API server.
