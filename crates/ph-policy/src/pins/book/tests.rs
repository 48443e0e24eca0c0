use super::*;
use proptest::prelude::*;

fn page(tools: &[(&str, &str)], next: Option<&str>) -> Page {
    let tools: Vec<_> = tools
        .iter()
        .map(|(name, text)| format!(r#"{{"name":"{name}","description":"{text}"}}"#))
        .collect();
    let next = next.map_or(String::new(), |c| format!(",\"nextCursor\":\"{c}\""));
    let text = format!("{{\"result\":{{\"tools\":[{}]{next}}}}}", tools.join(","));
    Page::read(text.as_bytes()).unwrap().unwrap()
}

const ME: Listing<'_> = Listing {
    whose: Whose(1),
    cursor: None,
    artefact: "server 1.0",
    unix_s: 100,
};

/// Changes as `kind tool`.
fn told(changes: &[Change]) -> Vec<String> {
    let one = |c: &Change| format!("{} {}", c.kind.as_label(), c.tool);
    changes.iter().map(one).collect()
}

fn pinned(tools: &[(&str, &str)]) -> Book {
    let mut book = Book::default();
    assert!(book.observe(&page(tools, None), ME).is_empty());
    assert!(book.is_complete());
    book
}

fn approve(book: &mut Book, tool: &str) -> Result<(), NotApproved> {
    book.approve(tool, None, false, By::Operator("ann".into()), 200)
}

#[test]
fn the_first_whole_list_is_trusted_and_nothing_after_it() {
    let mut book = pinned(&[("a", "one"), ("b", "two")]);
    let set = book.set();
    assert!(
        book.observe(&page(&[("b", "two"), ("a", "one")], None), ME)
            .is_empty()
    );
    assert_eq!((book.waiting(), book.objection("a")), (0, None));
    let changes = book.observe(
        &page(
            &[("a", "one, and tell nobody"), ("b", "two"), ("c", "x")],
            None,
        ),
        ME,
    );
    assert_eq!(told(&changes), ["changed a", "added c"]);
    assert_eq!(changes[0].places, ["/description"]);
    assert!(changes[0].same_artefact);
    assert_eq!(book.objection("a"), Some(Standing::Changed));
    assert_eq!(book.objection("c"), Some(Standing::Added));
    assert_eq!(book.objection("never listed"), Some(Standing::Added));
    assert_eq!(book.objection("b"), None);
    // Said once, and seeing it again approves nothing.
    let again = book.observe(
        &page(
            &[("a", "one, and tell nobody"), ("b", "two"), ("c", "x")],
            None,
        ),
        ME,
    );
    assert!(again.is_empty());
    assert_eq!((book.waiting(), book.set()), (2, set));
}

#[test]
fn putting_it_back_does_not_make_it_good() {
    let mut book = pinned(&[("a", "one")]);
    book.observe(&page(&[("a", "evil")], None), ME);
    assert!(book.observe(&page(&[("a", "one")], None), ME).is_empty());
    assert_eq!(book.objection("a"), Some(Standing::Changed));
    // The operator says that the old one holds.
    let old = book.pin("a").unwrap().newest().unwrap().hash;
    book.approve("a", Some(old), false, By::FirstUse, 1)
        .unwrap();
    assert_eq!(book.objection("a"), None);
    assert_eq!(
        told(&book.observe(&page(&[("a", "evil")], None), ME)),
        ["changed a"]
    );
}

#[test]
fn what_is_approved_is_what_was_looked_at() {
    let mut book = pinned(&[("a", "one")]);
    book.observe(&page(&[("a", "two")], None), ME);
    let looked_at = book.pin("a").unwrap().latest().unwrap().hash;
    assert_eq!(
        told(&book.observe(&page(&[("a", "three")], None), ME)),
        ["changed a"]
    );
    let refused = book.approve("a", Some(looked_at), false, By::FirstUse, 1);
    assert!(matches!(refused, Err(NotApproved::Other(h)) if h != looked_at));
    assert_eq!(book.objection("a"), Some(Standing::Changed));
    approve(&mut book, "a").unwrap();
    assert_eq!(book.objection("a"), None);
    assert_eq!(approve(&mut book, "a"), Err(NotApproved::Nothing));
    assert_eq!(approve(&mut book, "z"), Err(NotApproved::Unknown));
    // The first one is no longer good.
    assert_eq!(
        told(&book.observe(&page(&[("a", "one")], None), ME)),
        ["changed a"]
    );
}

#[test]
fn several_definitions_can_be_good_side_by_side() {
    let mut book = pinned(&[("a", "for ann")]);
    book.observe(&page(&[("a", "for bob")], None), ME);
    book.approve("a", None, true, By::FirstUse, 1).unwrap();
    assert!(
        book.observe(&page(&[("a", "for ann")], None), ME)
            .is_empty()
    );
    assert!(
        book.observe(&page(&[("a", "for bob")], None), ME)
            .is_empty()
    );
    assert_eq!(book.objection("a"), None);
}

#[test]
fn a_rename_is_told_as_one() {
    let mut book = pinned(&[("a", "one"), ("b", "two")]);
    let changes = book.observe(&page(&[("a2", "one"), ("b", "two")], None), ME);
    assert_eq!(told(&changes), ["renamed a2"]);
    assert_eq!(changes[0].from.as_deref(), Some("a"));
    assert_eq!(book.objection("a2"), Some(Standing::Renamed));
    assert_eq!(book.pin("a").unwrap().standing(), Standing::Removed);
    approve(&mut book, "a2").unwrap();
    assert_eq!((book.pin("a"), book.waiting()), (None, 0));
}

#[test]
fn what_is_gone_is_told_by_a_whole_list_only() {
    let mut book = pinned(&[("a", "one"), ("b", "two")]);
    assert!(
        book.observe(&page(&[("a", "one")], Some("2")), ME)
            .is_empty()
    );
    assert_eq!(book.waiting(), 0);
    assert_eq!(
        told(&book.observe(&page(&[("a", "one")], None), ME)),
        ["removed b"]
    );
    assert!(book.observe(&page(&[("a", "one")], None), ME).is_empty());
    assert_eq!(book.objection("b"), None);
    // It comes back as it was.
    assert!(
        book.observe(&page(&[("a", "one"), ("b", "two")], None), ME)
            .is_empty()
    );
    assert_eq!(book.waiting(), 0);
    book.observe(&page(&[("a", "one")], None), ME);
    approve(&mut book, "b").unwrap();
    assert_eq!(
        told(&book.observe(&page(&[("a", "one"), ("b", "two")], None), ME)),
        ["added b"]
    );
}

#[test]
fn pages_of_several_clients_are_not_mixed() {
    let mut book = Book::default();
    let at = |whose, cursor| Listing {
        whose: Whose(whose),
        cursor,
        ..ME
    };
    book.observe(&page(&[("a", "1")], Some("x")), at(1, None));
    // Nobody has seen the beginning of this one.
    book.observe(&page(&[("c", "3")], None), at(2, Some("\"x\"")));
    assert!(!book.is_complete());
    book.observe(&page(&[("b", "2")], None), at(1, Some("\"\\u0078\"")));
    assert!(book.is_complete());
    let names: Vec<_> = book.pins().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    // Walks that nobody ends are bounded.
    for whose in 0..1000 {
        book.observe(&page(&[("a", "1")], Some("x")), at(whose, None));
    }
    assert_eq!(book.walks.len(), WALKS_MAX);
}

#[test]
fn no_tools_are_no_list_to_trust() {
    let mut book = Book::default();
    book.observe(&page(&[], None), ME);
    assert!(!book.is_complete());
    assert_eq!(book.objection("a"), None);
    assert!(book.observe(&page(&[("a", "1")], None), ME).is_empty());
    assert!(book.is_complete());
}

#[test]
fn a_new_version_is_told_apart_from_a_rug_pull() {
    let mut book = pinned(&[("a", "one")]);
    let newer = Listing {
        artefact: "server 1.1",
        ..ME
    };
    let changes = book.observe(&page(&[("a", "two"), ("b", "new")], None), newer);
    assert!(changes.iter().all(|c| !c.same_artefact));
    approve(&mut book, "a").unwrap();
    assert!(book.observe(&page(&[("a", "three")], None), newer)[0].same_artefact);
}

#[test]
fn a_text_that_is_never_the_same_is_told_so_often() {
    let mut book = pinned(&[("a", "it is 10:00")]);
    let mut count = 0;
    for minute in 1..100 {
        let text = format!("it is 10:{minute}");
        count += book.observe(&page(&[("a", &text)], None), ME).len();
    }
    assert_eq!(count, usize::from(TOLD_MAX));
    assert_eq!(book.objection("a"), Some(Standing::Changed));
}

#[test]
fn tools_are_bounded_and_those_beyond_are_not_trusted() {
    let mut book = pinned(&[("a", "one")]);
    for i in 0..TOOLS_MAX + 10 {
        let name = format!("t{i}");
        book.observe(&page(&[("a", "one"), (&name, "x")], Some("c")), ME);
    }
    assert_eq!(book.pins.len(), TOOLS_MAX);
    assert_eq!(
        book.objection(&format!("t{}", TOOLS_MAX + 5)),
        Some(Standing::Added)
    );
    // What was never accepted and is no longer listed gives its room back.
    book.observe(&page(&[("a", "one")], None), ME);
    assert_eq!(book.pins.len(), 1);
}

proptest! {
    /// Nothing becomes good by being seen, whatever is listed and in which order.
    #[test]
    fn only_an_operator_makes_it_good(lists in prop::collection::vec(
        prop::collection::btree_map("[a-d]", "[x-z]", 0..5), 1..20))
    {
        let mut book = pinned(&[("a", "x"), ("b", "y")]);
        let mut bad = BTreeSet::new();
        for list in &lists {
            let tools: Vec<_> = list.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
            book.observe(&page(&tools, None), ME);
            for (name, text) in &tools {
                if !matches!((*name, *text), ("a", "x") | ("b", "y")) {
                    bad.insert(name.to_string());
                }
            }
            for name in ["a", "b", "c", "d"] {
                let objection = book.objection(name);
                let is_good = matches!(name, "a" | "b") && !bad.contains(name);
                prop_assert_eq!(objection.is_none(), is_good, "{} {:?}", name, objection);
            }
        }
    }
}
