//! Images made by hand: layers over one another, in both ways of storing them.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write as _};

use ph_inventory::image::{self, Archive, Blobs, Image};
use ph_inventory::{Component, Ecosystem};
use sha2::{Digest as _, Sha256};

const DPKG: &str = include_str!("../fixtures/image/dpkg-status");
const SERVER: &str = include_str!("../fixtures/image/server-filesystem.package.json");
const SDK: &str = include_str!("../fixtures/image/sdk.package.json");
const MINIMATCH: &str = include_str!("../fixtures/image/minimatch.package.json");
const DEBIAN: &str =
    "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";

/// A tar in the making.
struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.entry(name, tar::EntryType::Regular, "", text.as_ref(), 0o644)
    }

    fn entry(
        mut self,
        name: &str,
        kind: tar::EntryType,
        link: &str,
        bytes: &[u8],
        mode: u32,
    ) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_entry_type(kind);
        // As bytes: the builder would refuse what a hostile archive has.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, bytes).expect("in memory");
        self
    }

    fn tar(self) -> Vec<u8> {
        self.0.into_inner().expect("in memory")
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("in memory")
}

/// A folder in memory.
#[derive(Default)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Blobs for Folder {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        Ok(self
            .0
            .get(name)
            .map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read>))
    }
}

impl Folder {
    /// Adds a blob and gives its descriptor.
    fn blob(&mut self, bytes: Vec<u8>) -> String {
        let hex: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let size = bytes.len();
        self.0.insert(format!("blobs/sha256/{hex}"), bytes);
        format!(r#""digest": "sha256:{hex}", "size": {size}"#)
    }
}

/// The OCI layout of one image.
fn layout(layers: Vec<Vec<u8>>) -> Folder {
    let mut folder = Folder::default();
    let layers: Vec<String> = layers
        .into_iter()
        .map(|layer| format!("{{{}}}", folder.blob(layer)))
        .collect();
    let manifest = folder.blob(
        format!(
            r#"{{"schemaVersion": 2, "layers": [{}]}}"#,
            layers.join(",")
        )
        .into_bytes(),
    );
    let platform = r#""platform": {"os": "linux", "architecture": "amd64"}"#;
    let other = r#"{"digest": "sha256:00", "platform": {"os": "linux", "architecture": "arm64"}}"#;
    let index = format!(r#"{{"manifests": [{other}, {{{manifest}, {platform}}}]}}"#);
    let index = folder.blob(index.into_bytes());
    let top = format!(
        r#"{{"manifests": [{{{index}, "annotations": {{"io.containerd.image.name": "x:1"}}}}]}}"#
    );
    folder.0.insert("index.json".to_owned(), top.into_bytes());
    folder
}

fn of(layers: Vec<Vec<u8>>) -> Result<Image, String> {
    image::read("image", &mut layout(layers)).map_err(|error| error.to_string())
}

fn shown(image: &Image) -> Vec<String> {
    let one = |c: &Component| {
        let source = c
            .source_name
            .as_deref()
            .map_or(String::new(), |name| format!(" from {name}"));
        format!(
            "{} {}@{}{source} {}",
            c.ecosystem,
            c.name,
            c.version.as_deref().unwrap_or("?"),
            c.path
        )
    };
    image.inventory.components.iter().map(one).collect()
}

/// Three layers: Debian with two packages of Node, one of which the next layer takes away and the last brings back.
fn layers() -> [Vec<u8>; 3] {
    [
        Layer::new()
            .file("./etc/os-release", DEBIAN)
            .file("var/lib/dpkg/status", DPKG)
            .file("app/node_modules/minimatch/package.json", MINIMATCH)
            .file(
                "usr/lib/node_modules/npm/node_modules/minimatch/package.json",
                MINIMATCH,
            )
            .tar(),
        Layer::new()
            .file("app/node_modules/.wh.minimatch", "")
            .file(
                "app/node_modules/@modelcontextprotocol/sdk/package.json",
                SDK,
            )
            .tar(),
        Layer::new()
            .file(
                "app/node_modules/@modelcontextprotocol/server-filesystem/package.json",
                SERVER,
            )
            .file(
                "app/node_modules/minimatch/package.json",
                MINIMATCH.replace("9.0.9", "11.2.6"),
            )
            .tar(),
    ]
}

#[test]
fn layers_lie_over_one_another() {
    let [first, second, third] = layers();
    let one = of(vec![first.clone()]).unwrap();
    assert_eq!(
        one.system.as_deref(),
        Some("Debian GNU/Linux 12 (bookworm)")
    );
    assert_eq!(one.name.as_deref(), Some("x:1"));
    assert_eq!(one.inventory.unchecked[0].what, "the image for linux/arm64");
    let debian: Vec<_> = one
        .inventory
        .components
        .iter()
        .filter(|c| c.ecosystem == Ecosystem::Debian(Some("12".to_owned())))
        .collect();
    assert_eq!(debian.len(), DPKG.matches("Package: ").count());
    let gcc = debian.iter().find(|c| c.name == "libgcc-s1").unwrap();
    assert_eq!(gcc.advisory_name(), "gcc-12");
    assert_eq!(gcc.file, "var/lib/dpkg/status");

    let node = |image: &Image| -> Vec<String> {
        let all = shown(image);
        all.into_iter()
            .filter(|line| line.starts_with("npm "))
            .collect()
    };
    let two = of(vec![gzip(&first), zstd(&second)]).unwrap();
    assert_eq!(
        node(&two),
        [
            "npm @modelcontextprotocol/sdk@0.5.0 app/node_modules/@modelcontextprotocol/sdk",
            "npm minimatch@9.0.9 usr/lib/node_modules/npm/node_modules/minimatch",
        ]
    );
    assert_eq!(
        two.inventory.components.last().unwrap().owner(),
        Some("npm")
    );
    let three = of(vec![gzip(&first), zstd(&second), third]).unwrap();
    let app = three
        .inventory
        .components
        .iter()
        .find(|c| c.path == "app/node_modules/minimatch")
        .unwrap();
    assert_eq!(app.version.as_deref(), Some("11.2.6"));
    let all = &three.inventory.components;
    let sdk = all
        .iter()
        .find(|c| c.name == "@modelcontextprotocol/sdk")
        .unwrap();
    let by: Vec<_> = sdk
        .needed_by
        .iter()
        .map(|one| all[*one].name.as_str())
        .collect();
    assert_eq!(by, ["@modelcontextprotocol/server-filesystem"]);
}

#[test]
fn an_archive_is_what_its_folder_is() {
    let [first, second, third] = layers();
    let folder = layout(vec![first.clone(), gzip(&second), zstd(&third)]);
    let expected = of(vec![first.clone(), gzip(&second), zstd(&third)]).unwrap();
    let mut stored = Layer::new();
    for (name, bytes) in &folder.0 {
        stored = stored.file(name, bytes);
    }
    let bytes = stored.tar();
    assert!(image::is_archive(&bytes));
    let mut archive = Archive::new("a.tar", Cursor::new(&bytes)).unwrap();
    let image = image::read("image", &mut archive).unwrap();
    assert_eq!(image, expected);

    // As docker stores it: equal layers are links.
    let manifest = r#"[{"Config": "blobs/sha256/00.json", "RepoTags": ["x:2"], "Layers": ["a/layer.tar", "b/layer.tar",
        "c/layer.tar", "d/layer.tar"]}, {"RepoTags": ["y:1"]}]"#;
    let docker = Layer::new()
        .file("a/layer.tar", &first)
        .file("b/layer.tar", &second)
        .file("c/layer.tar", &third)
        .entry(
            "d/layer.tar",
            tar::EntryType::Symlink,
            "../c/layer.tar",
            b"",
            0o777,
        )
        .file("manifest.json", manifest)
        .tar();
    let mut archive = Archive::new("a.tar", Cursor::new(&docker)).unwrap();
    let image = image::read("image", &mut archive).unwrap();
    assert_eq!(image.inventory.components, expected.inventory.components);
    assert_eq!(image.name.as_deref(), Some("x:2"));
    assert_eq!(image.inventory.unchecked[0].what, "y:1");
    let error = Archive::new("a.tar.gz", Cursor::new(gzip(&docker))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.tar.gz: a compressed archive: unpack it first (gunzip, unzstd)"
    );
}

#[test]
fn what_a_layer_takes_away_is_gone_and_what_it_brings_stays() {
    let base = || {
        Layer::new()
            .file("a/node_modules/x/package.json", r#"{"version": "1.0.0"}"#)
            .file("a/node_modules/y/package.json", r#"{"version": "1.0.0"}"#)
            .file("ab/node_modules/z/package.json", r#"{"version": "1.0.0"}"#)
            .tar()
    };
    let names = |upper: Layer| {
        let image = of(vec![base(), upper.tar()]).unwrap();
        let names = image.inventory.components.iter().map(|c| c.name.clone());
        names.collect::<Vec<_>>().join(" ")
    };
    let opaque = ".wh..wh..opq";
    let new = |layer: Layer| layer.file("a/node_modules/n/package.json", "{}");
    assert_eq!(names(Layer::new().file(".wh.a", "")), "z");
    assert_eq!(
        names(new(Layer::new()).file("a/.wh.node_modules", "")),
        "n z"
    );
    assert_eq!(
        names(new(Layer::new()).file(&format!("a/{opaque}"), "")),
        "n z"
    );
    assert_eq!(names(new(Layer::new().file(opaque, ""))), "n");
    assert_eq!(names(Layer::new().file("a/.wh..wh.plnk", "")), "x y z");
    // A file or link in the place of a folder.
    assert_eq!(
        names(Layer::new().entry("a", tar::EntryType::Symlink, "ab", b"", 0o777)),
        "z"
    );
    assert_eq!(
        names(Layer::new().entry("a", tar::EntryType::Directory, "", b"", 0o755)),
        "x y z"
    );
}

#[test]
fn hard_links_are_followed_within_their_layer() {
    let package = r#"{"name": "x", "version": "1.0.0"}"#;
    let link = |layer: Layer, name: &str, to: &str| {
        layer.entry(name, tar::EntryType::Link, to, b"", 0o644)
    };
    let layer = Layer::new()
        .file("store/00/11", package)
        .file("a/node_modules/x/package.json", package);
    let layer = link(layer, "b/node_modules/x/package.json", "store/00/11");
    let layer = link(
        layer,
        "c/node_modules/x/package.json",
        "a/node_modules/x/package.json",
    );
    let image = of(vec![layer.tar()]).unwrap();
    let paths: Vec<_> = image
        .inventory
        .components
        .iter()
        .map(|c| c.path.as_str())
        .collect();
    assert_eq!(
        paths,
        ["a/node_modules/x", "b/node_modules/x", "c/node_modules/x"]
    );
}

#[test]
fn systems_without_dpkg_have_their_packages_too() {
    let apk = "C:Q1x=\nP:libssl3\nV:3.3.0-r2\nA:x86_64\no:openssl\nF:lib\nR:libssl.so.3\n\nP:musl\nV:1.2.5-r0\no:musl\n\n";
    let alpine = Layer::new()
        .file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n")
        .file("lib/apk/db/installed", apk)
        .tar();
    assert_eq!(
        shown(&of(vec![alpine]).unwrap()),
        [
            "Alpine:v3.20 libssl3@3.3.0-r2 from openssl ",
            "Alpine:v3.20 musl@1.2.5-r0 "
        ]
    );
    let distroless = Layer::new()
        .file("usr/lib/os-release", DEBIAN)
        .file(
            "var/lib/dpkg/status.d/base",
            "Package: base-files\nVersion: 12.4\nDescription: x\n more\n",
        )
        .file("var/lib/dpkg/status.d/base.md5sums", "0 x\n")
        .file(
            "var/lib/dpkg/status.d/ssl",
            "Package: libssl3\nSource: openssl (3.0.11-1)\nVersion: 3.0.11-1~deb12u2\n",
        )
        .tar();
    let image = of(vec![distroless]).unwrap();
    assert_eq!(
        shown(&image),
        [
            "Debian:12 base-files@12.4 ",
            "Debian:12 libssl3@3.0.11-1~deb12u2 from openssl "
        ]
    );
    assert_eq!(
        image.inventory.components[1].advisory_version(),
        Some("3.0.11-1")
    );
    let other = Layer::new()
        .file("etc/os-release", "ID=hometown\n")
        .file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: deinstall ok config-files\n")
        .file("var/lib/rpm/rpmdb.sqlite", "")
        .file("app/a.jar", "")
        .tar();
    let image = of(vec![other]).unwrap();
    assert_eq!(shown(&image), ["Debian:hometown a@1 "]);
    let unchecked: Vec<_> = image
        .inventory
        .unchecked
        .iter()
        .map(|u| u.what.as_str())
        .collect();
    assert_eq!(
        unchecked,
        [
            "var/lib/rpm/rpmdb.sqlite",
            "1 files of Java",
            "packages of the system \"hometown\"",
            "the image for linux/arm64"
        ]
    );
}

#[test]
fn what_leads_out_or_is_damaged_is_refused() {
    for name in ["../etc/passwd", "/etc/passwd", "a/../../b"] {
        let error = of(vec![Layer::new().file(name, "x").tar()]).unwrap_err();
        assert!(error.contains("leads out of the archive"), "{error}");
        assert!(error.starts_with("image/blobs/sha256/"), "{error}");
    }
    let mut folder = layout(vec![Layer::new().file("a", "x").tar()]);
    for bytes in folder.0.values_mut().filter(|bytes| bytes.len() > 1024) {
        bytes[700] ^= 1;
    }
    let error = image::read("image", &mut folder).unwrap_err().to_string();
    assert!(
        error.ends_with("its content is not what its digest says"),
        "{error}"
    );
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let text: String = (0..100_000)
        .map(|n: u32| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26))
        .collect();
    let layer = Layer::new()
        .file("app/node_modules/x/package.json", &text)
        .tar();
    for layer in [cut(layer.clone()), cut(gzip(&layer)), cut(zstd(&layer))] {
        let error = of(vec![layer]).unwrap_err();
        assert!(error.starts_with("image/blobs/sha256/"), "{error}");
    }
    let error = image::read("folder", &mut Folder::default()).unwrap_err();
    assert!(error.to_string().starts_with("folder: no image"), "{error}");
    let mut escaping = Folder::default();
    let manifest = r#"[{"Layers": ["../../x"]}]"#;
    escaping
        .0
        .insert("manifest.json".to_owned(), manifest.as_bytes().to_vec());
    let error = image::read("f", &mut escaping).unwrap_err();
    assert_eq!(
        error.to_string(),
        "f/manifest.json:1:14: no name of a layer"
    );
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    // 300 MiB of zeros in a file that nobody looks at: some 10 KiB as zstd.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("in memory");
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").expect("a path");
    header.set_size(300 << 20);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).expect("in memory");
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&zeros).expect("in memory");
    }
    let bomb = encoder.finish().expect("in memory");
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    let error = of(vec![bomb]).unwrap_err();
    assert!(
        error.ends_with("it unpacks to more than 200 times its size"),
        "{error}"
    );
    // A long name that is longer than any name.
    let name = vec![b'a'; 3 << 20];
    let layer = Layer::new()
        .entry("././@LongLink", tar::EntryType::GNULongName, "", &name, 0)
        .tar();
    let error = of(vec![layer]).unwrap_err();
    assert!(error.contains("1048576 are read at most"), "{error}");
}

/// A program as cargo-auditable makes it: an ELF file with one section.
fn program(list: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(list.as_bytes()).expect("in memory");
    program_of(&encoder.finish().expect("in memory"))
}

fn program_of(data: &[u8]) -> Vec<u8> {
    let names = b"\0.dep-v0\0.shstrtab\0";
    let mut elf = vec![0; 64];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let data_at = elf.len();
    elf.extend(data);
    let names_at = elf.len();
    elf.extend(names);
    let table = elf.len();
    for (name, at, size) in [
        (0, 0, 0),
        (1, data_at, data.len()),
        (10, names_at, names.len()),
    ] {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&u32::to_le_bytes(name));
        header[0x18..0x20].copy_from_slice(&(at as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
        elf.extend(header);
    }
    elf[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
    elf[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
    elf[0x3c..0x3e].copy_from_slice(&3_u16.to_le_bytes());
    elf[0x3e..0x40].copy_from_slice(&2_u16.to_le_bytes());
    elf
}

#[test]
fn programs_of_rust_say_their_crates() {
    let list = r#"{"packages": [
        {"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"},
        {"name": "own", "version": "0.1.0", "source": "local", "root": true, "dependencies": [0, 2]},
        {"name": "rmcp", "version": "0.8.0", "source": "crates.io", "dependencies": [3]},
        {"name": "serde", "version": "1.0.0", "source": "crates.io"}]}"#;
    let layer = Layer::new()
        .entry(
            "usr/bin/own",
            tar::EntryType::Regular,
            "",
            &program(list),
            0o755,
        )
        .entry(
            "usr/bin/other",
            tar::EntryType::Regular,
            "",
            &[b"\x7fELF".as_slice(), &[7; 200]].concat(),
            0o755,
        )
        .entry(
            "usr/bin/broken",
            tar::EntryType::Regular,
            "",
            &program("{"),
            0o755,
        )
        .tar();
    let image = of(vec![layer]).unwrap();
    let shown: Vec<_> = image
        .inventory
        .components
        .iter()
        .map(|c| {
            (
                c.name.as_str(),
                c.file.as_str(),
                c.is_dev,
                c.is_direct,
                c.needed_by.as_slice(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("cc", "usr/bin/own", true, true, [].as_slice()),
            ("rmcp", "usr/bin/own", false, true, &[]),
            ("serde", "usr/bin/own", false, false, &[1]),
        ]
    );
    assert_eq!(image.inventory.unchecked[0].what, "usr/bin/broken");
}

/// The section of uv 0.13.9 as it is installed from PyPI.
#[test]
fn uv_says_its_crates() {
    let program = program_of(include_bytes!("../fixtures/auditable/uv.dep-v0"));
    let inventory = ph_inventory::auditable::read("bin/uv", &program)
        .unwrap()
        .unwrap();
    let crates = &inventory.components;
    assert_eq!(crates.len(), 481);
    assert_eq!(crates.iter().filter(|c| c.is_dev).count(), 35);
    let tokio = crates.iter().find(|c| c.name == "tokio").unwrap();
    assert_eq!(tokio.version.as_deref(), Some("1.53.2"));
    assert!(
        tokio
            .needed_by
            .iter()
            .any(|by| crates[*by].name == "hyper-util")
    );
}
