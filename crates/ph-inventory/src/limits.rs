//! What a file may ask of us. Everything beyond is refused with its place.

/// Bytes of one lockfile, manifest or SBOM.
pub const FILE_BYTES: usize = 64 << 20;
/// Components of one file, tree or image. The largest monorepos have some 10,000.
pub const COMPONENTS: usize = 200_000;
/// Edges "is needed by" of one file.
pub const EDGES: usize = 2_000_000;
/// Values (texts, numbers, lists, maps) of one JSON, YAML or TOML file.
pub const NODES: usize = 4_000_000;
/// Lists and maps in one another.
pub const DEPTH: usize = 100;
/// Bytes of a name or version.
pub const NAME_BYTES: usize = 1024;
/// Bytes of a place within a file or tree.
pub const PATH_BYTES: usize = 4096;
/// Notes on what was not looked at, of one file. What goes beyond is counted in the last one.
pub const UNCHECKED: usize = 1000;
