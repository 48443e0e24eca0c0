//! The operator's text becomes a plan, or every diagnostic with its position.
