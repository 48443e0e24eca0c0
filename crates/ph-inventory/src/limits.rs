//! What a file may ask of us. Everything beyond is refused with its place.

/// Bytes of one lockfile, manifest or SBOM.
pub const FILE_BYTES: usize = 64 << 20;
/// Components of one file, tree or image. The largest monorepos have some 10,000.
pub const COMPONENTS: usize = 200_000;
/// How often a file may say that a package is needed.
pub const EDGES: usize = 2_000_000;
/// Bytes of the places at which packages are looked for in `node_modules`, all together.
pub const LOOKUP_BYTES: usize = 256 << 20;
/// Bytes of one TOML file, whose reader takes some forty times as much memory for values that are all empty.
pub const TOML_BYTES: usize = 16 << 20;
/// Bytes of one YAML file.
pub const YAML_BYTES: usize = 32 << 20;
/// What one installed package may say that it needs.
pub const NEEDS: usize = 10_000;
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
/// Layers of an image.
pub const LAYERS: usize = 1000;
/// Files of an archive that holds an image.
pub const ARCHIVE_FILES: usize = 100_000;
/// Files and folders of all layers of an image.
pub const ENTRIES: u64 = 4_000_000;
/// Bytes that all layers of an image unpack to.
pub const IMAGE_BYTES: u64 = 64 << 30;
/// A layer may unpack to this many times its size …
pub const RATIO: u64 = 200;
/// … and to this many bytes whatever its size is.
pub const RATIO_FREE_BYTES: u64 = 256 << 20;
/// Bytes of one file of an image that is looked into: a list of packages, a description of one.
pub const IMAGE_FILE_BYTES: u64 = 64 << 20;
/// Bytes of one program of an image that is searched for the list of its crates.
pub const PROGRAM_BYTES: u64 = 256 << 20;
/// Bytes of all files of an image that are kept until its end, with their paths.
pub const KEPT_BYTES: usize = 256 << 20;
/// Bytes of a program's list of crates, unpacked.
pub const AUDITABLE_BYTES: u64 = 16 << 20;
