//! The other end of the tests that need a process.

use ph_workbench::{Options, serve_stdio};

#[tokio::test]
#[ignore = "the server process of other tests, which start it themselves"]
async fn serve_this_directory() {
    let options = Options {
        access: Box::new(std::io::stderr()),
        ..Options::default()
    };
    serve_stdio(options).await.unwrap();
}
