use super::*;

#[test]
fn what_one_package_needs_is_a_part_of_its_folder() {
    let folder = |root: &str, only: Option<&str>, is_running| Place::Folder {
        root: root.into(),
        only: only.map(str::to_owned),
        is_running,
    };
    let part = folder("/a", Some("node_modules/x"), true);
    for (other, want) in [
        (folder("/a", None, true), true),
        (folder("/a", None, false), false),
        (folder("/b", None, true), false),
        (folder("/a", Some("node_modules/y"), true), false),
        (part.clone(), false),
        (Place::Program("/a".into()), false),
    ] {
        assert_eq!(part.is_part_of(&other), want, "{other:?}");
        assert!(!other.is_part_of(&part), "{other:?}");
    }
}

#[test]
fn environments_of_uvx_are_found_as_each_release_of_uv_keeps_them() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("environments-v2");
    let make = |root: &Path, name: &str| {
        let own = root.join(format!("lib/python3.11/site-packages/{name}-1.0.dist-info"));
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("REQUESTED"), "").unwrap();
        fs::write(root.join("pyvenv.cfg"), "").unwrap();
    };
    make(&cache.join("8b0c"), "old_tool");
    make(&dir.path().join("archive-v0/BB_N"), "new_tool");
    fs::create_dir_all(cache.join("ebcd")).unwrap();
    let link = cache.join("ebcd/1f2e");
    std::os::unix::fs::symlink("../../archive-v0/BB_N", &link).unwrap();
    let machine = Machine {
        uv_cache: Some(dir.path().to_owned()),
        ..Machine::default()
    };
    for (spec, want) in [("old-tool==1.0", cache.join("8b0c")), ("new-tool", link)] {
        let found = python_tool(spec, &machine);
        assert_eq!(found.places, Resolved::running(want, None).places, "{spec}");
    }
    let other = python_tool("new-tool==2.0", &machine);
    assert!(
        matches!(other.places.as_slice(), [Place::Unseen(_)]),
        "{other:?}"
    );
}
