//! Plans without a text: a command or an address.

use ph_plan::{NoServer, Plan, Upstream};

fn argv(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_command() {
    let plan = Plan::for_command(&argv("npx -y @scope/server-x@1.2 ${HOME} $$")).expect("a plan");
    let (name, server) = plan.only_server().expect("one server");
    assert_eq!(name.as_str(), "server-x");
    let Upstream::Stdio(stdio) = &server.upstream else {
        panic!("{server:?}")
    };
    assert_eq!(stdio.command.as_str(), "npx");
    // Taken as they are: the shell has already had its turn.
    let args: Vec<_> = stdio.args.iter().map(|arg| arg.as_str()).collect();
    assert_eq!(args, ["-y", "@scope/server-x@1.2", "${HOME}", "$$"]);
    let rest = Plan {
        servers: plan.servers.clone(),
        ..Plan::default()
    };
    assert_eq!(plan, rest);
}

#[test]
fn no_command() {
    assert_eq!(Plan::for_command(&[]), Err(NoServer::EmptyCommand));
    assert_eq!(
        Plan::for_command(&[String::new()]),
        Err(NoServer::EmptyCommand)
    );
}

#[test]
fn addresses() {
    let name = |url: &str| {
        let plan = Plan::for_url(url).map_err(|error| error.to_string())?;
        let (name, server) = plan.only_server().expect("one server");
        let Upstream::Http(http) = &server.upstream else {
            panic!("{server:?}")
        };
        Ok((name.to_string(), http.url.port(), http.url.is_tls()))
    };
    assert_eq!(
        name("https://mcp.example.com/mcp"),
        Ok(("mcp.example.com".to_owned(), 443, true))
    );
    assert_eq!(
        name("http://127.0.0.1:9000/mcp"),
        Ok(("127.0.0.1".to_owned(), 9000, false))
    );
    assert_eq!(name("http://[::1]/mcp"), Ok(("1".to_owned(), 80, false)));
    for bad in [
        "",
        "example.com",
        "/mcp",
        "ftp://example.com",
        "https://",
        "https://user@example.com",
    ] {
        let refused: Result<_, String> = name(bad);
        assert!(refused.is_err(), "{bad}");
    }
}

#[test]
fn exposure_is_checked_again_after_an_override() {
    let mut plan = Plan::for_url("http://127.0.0.1:9000/mcp").expect("a plan");
    assert_eq!(plan.check_exposure(), Ok(()));
    assert!(plan.serves_metrics_on_data_listener());
    plan.listen = "0.0.0.0:3000".parse().expect("an address");
    assert!(plan.check_exposure().is_err());
    assert!(!plan.serves_metrics_on_data_listener());
    plan.auth = ph_plan::Auth::External;
    assert_eq!(plan.check_exposure(), Ok(()));
}
