//! What pip, uv, Poetry, PDM and Pipenv write.

mod pdm;
mod pipfile_lock;
mod poetry;
mod pylock;
mod requirements;
mod uv;

pub(crate) use pdm::pdm;
pub(crate) use pipfile_lock::pipfile_lock;
pub(crate) use poetry::poetry;
pub(crate) use pylock::pylock;
pub(crate) use requirements::requirements;
pub(crate) use uv::uv;
