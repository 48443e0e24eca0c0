use super::*;

const NOW: u64 = 1_800_000_000;

fn ring() -> (tempfile::TempDir, Keyring) {
    let dir = tempfile::tempdir().unwrap();
    let ring = Keyring::open(&dir.path().join("keys.db")).unwrap();
    (dir, ring)
}

fn order(name: &str) -> KeyOrder {
    KeyOrder {
        name: name.to_owned(),
        ..KeyOrder::default()
    }
}

#[track_caller]
fn shows(ring: &Keyring, text: &str, now: u64, want: &str) {
    let got = ring.check(text, now);
    let got = got.map_or_else(|f| f.as_label().to_owned(), |p| p.name.to_string());
    assert_eq!(got, want);
}

#[test]
fn a_key_is_good_until_it_is_revoked_also_after_opening_again() {
    let (dir, ring) = ring();
    let made = ring.create(&order("ci"), NOW).unwrap();
    let other = ring.create(&order("other"), NOW).unwrap();
    shows(&ring, &made.text, NOW, "ci");
    shows(&ring, "ph_nonsense", NOW, "unknown_key");
    let forged = format!("{}{}", &made.text[..14], &other.text[14..]);
    shows(&ring, &forged, NOW, "unknown_key");
    drop(ring);
    let ring = Keyring::open(&dir.path().join("keys.db")).unwrap();
    shows(&ring, &made.text, NOW, "ci");
    ring.revoke("ci", NOW + 5).unwrap();
    shows(&ring, &made.text, NOW + 5, "revoked_key");
    shows(&ring, &other.text, NOW + 5, "other");
    drop(ring);
    let ring = Keyring::open(&dir.path().join("keys.db")).unwrap();
    shows(&ring, &made.text, NOW + 5, "revoked_key");
}

#[test]
fn rotation_overlaps_and_ends() {
    let (_dir, ring) = ring();
    let old = ring.create(&order("ci"), NOW).unwrap();
    let new = ring.rotate("ci", 3600, None, NOW + 10).unwrap();
    shows(&ring, &old.text, NOW + 3609, "ci");
    shows(&ring, &old.text, NOW + 3610, "expired_key");
    shows(&ring, &new.text, NOW + 3610, "ci");
    let newest = ring.rotate("ci", 0, Some(NOW + 9000), NOW + 4000).unwrap();
    shows(&ring, &new.text, NOW + 4000, "expired_key");
    shows(&ring, &newest.text, NOW + 8999, "ci");
    shows(&ring, &newest.text, NOW + 9000, "expired_key");
}

#[test]
fn the_file_holds_no_key_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, ring) = ring();
    let made = ring.create(&order("ci"), NOW).unwrap();
    drop(ring);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let secret = &made.text.as_bytes()[14..];
        assert!(
            !bytes.windows(secret.len()).any(|w| w == secret),
            "{}",
            path.display()
        );
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn names_groups_and_times_are_checked() {
    let (_dir, ring) = ring();
    let refused = |order: KeyOrder| ring.create(&order, NOW).err().map(|e| e.to_string());
    for bad in ["", "a b", "a:b", "ü", &"x".repeat(65)] {
        assert!(
            refused(order(bad)).unwrap().contains("no name of a key"),
            "{bad}"
        );
    }
    let group = |g: &str| KeyOrder {
        groups: vec![g.to_owned()],
        ..order("g")
    };
    assert!(
        refused(group("a b"))
            .unwrap()
            .contains("no name of a group")
    );
    let many = KeyOrder {
        groups: (0..=Principal::GROUPS_MAX).map(|n| n.to_string()).collect(),
        ..order("g")
    };
    assert!(refused(many).unwrap().contains("no name of a group"));
    let past = KeyOrder {
        expires_unix_s: Some(NOW),
        ..order("p")
    };
    assert!(refused(past).unwrap().contains("past"));
    assert_eq!(refused(order("ci")), None);
    assert!(refused(order("ci")).unwrap().contains("already"));
    ring.revoke("ci", NOW).unwrap();
    assert_eq!(
        refused(order("ci")),
        None,
        "a name is free once it is revoked"
    );
    assert!(ring.revoke("nobody", NOW).is_err() && ring.rotate("nobody", 0, None, NOW).is_err());
}

#[test]
fn secrets_of_a_key_are_bounded_and_what_ended_is_forgotten() {
    let (_dir, ring) = ring();
    ring.create(&order("ci"), NOW).unwrap();
    for _ in 1..SECRETS_MAX {
        ring.rotate("ci", 3600, None, NOW).unwrap();
    }
    assert!(ring.rotate("ci", 3600, None, NOW).is_err());
    let later = NOW + 3600 + REMEMBERED_S + 1;
    ring.rotate("ci", 0, None, later).unwrap();
    assert_eq!(
        ring.list()[0].secrets.len(),
        2,
        "the last one, which had no end, and the new one"
    );
}

#[test]
fn last_uses_are_shown_and_kept() {
    let (dir, ring) = ring();
    let made = ring.create(&order("ci"), NOW).unwrap();
    assert_eq!(ring.list()[0].secrets[0].last_used, None);
    ring.check(&made.text, NOW + 7).unwrap();
    ring.create(&order("other"), NOW + 8).unwrap();
    assert_eq!(
        ring.list()[0].secrets[0].last_used,
        Some(NOW + 7),
        "a new table takes it over"
    );
    ring.save_uses().unwrap();
    drop(ring);
    let ring = Keyring::open(&dir.path().join("keys.db")).unwrap();
    assert_eq!(ring.list()[0].secrets[0].last_used, Some(NOW + 7));
}

#[test]
fn who_may_do_everything_is_known() {
    let (_dir, ring) = ring();
    assert!(!ring.has_admin(NOW));
    let admin = KeyOrder {
        role: Some(Role::Admin),
        expires_unix_s: Some(NOW + 10),
        ..order("boss")
    };
    let made = ring.create(&admin, NOW).unwrap();
    assert_eq!(ring.check(&made.text, NOW).unwrap().role, Some(Role::Admin));
    assert!(ring.has_admin(NOW) && !ring.has_admin(NOW + 10));
}
