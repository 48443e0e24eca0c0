//! From head, envelope and plan to allow, refuse or rewrite; pure.
