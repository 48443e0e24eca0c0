//! What pip, uv, Poetry and Pipenv write.

mod uv;

pub(crate) use uv::uv;
