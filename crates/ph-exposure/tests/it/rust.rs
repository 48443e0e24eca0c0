use super::{look, shown};
use ph_exposure::{Level, Wanted};

#[test]
fn a_tool_of_rmcp_leads_to_the_symbol() {
    let text = r#"
use zip::{ZipArchive, result as r};
struct Server;
impl Server {
    /// Unpacks.
    #[tool(name = "unpack", description = "x")]
    async fn unpack_tool(&self, path: String) -> String {
        unpack(&path)
    }
    #[tool]
    fn nothing(&self) {}
}
fn unpack(path: &str) -> String {
    let archive = ZipArchive::new(path);
    archive.extract("x")
}
"#;
    let wanted = Wanted::package("crates.io", "zip", vec!["zip::ZipArchive".into()]);
    let found = look(&[("src/main.rs", text)], &wanted);
    assert_eq!(
        shown(&found),
        [
            "src/main.rs:2 imported ZipArchive",
            "src/main.rs:14 reachable ZipArchive.new [unpack unpack_tool>unpack input]",
        ]
    );
}

#[test]
fn every_way_of_naming_is_found() {
    let wanted = Wanted::package("crates.io", "tokio-util", vec!["ReaderStream".into()]);
    for (import, call) in [
        ("use tokio_util::io::ReaderStream;", "ReaderStream::new(x)"),
        ("use tokio_util::io::ReaderStream as R;", "R::new(x)"),
        (
            "use tokio_util::{io::{self, ReaderStream}, codec};",
            "ReaderStream::new(x)",
        ),
        ("use tokio_util::io;", "io::ReaderStream::new(x)"),
        ("use tokio_util::io::{self};", "io::ReaderStream::new(x)"),
        ("", "tokio_util::io::ReaderStream::new(x)"),
        ("use tokio_util as t;", "t::io::ReaderStream::<X>::new(x)"),
    ] {
        let text = format!("{import}\nfn f(x: X) {{\n    {call};\n}}\n");
        let found = look(&[("a.rs", &text)], &wanted);
        assert_eq!(
            found.level,
            Level::SymbolUsed,
            "{import} {call}: {:?}",
            shown(&found)
        );
    }
    let other = look(
        &[(
            "a.rs",
            "use tokio::io::ReaderStream;\nfn f() { ReaderStream::new(x); }\n",
        )],
        &wanted,
    );
    assert_eq!(other.level, Level::Present);
}
