use crate::issuer::{Issuer, Key};
use http::{HeaderMap, HeaderValue};
use ph_auth::{Asked, Auth, Keyring};
use ph_plan::{NoSecrets, Plan};
use ph_record::AuthFailure;
use std::sync::Arc;

const NOW: u64 = 1_800_000_000;
const ASKED: Asked<'static> = Asked {
    server: "files",
    path: "/files/mcp",
    host: Some("localhost:3000"),
};

struct World {
    _dir: tempfile::TempDir,
    auth: Arc<Auth>,
    issuer: String,
}

fn world(issuer: &Issuer, more: &str) -> World {
    let dir = tempfile::tempdir().unwrap();
    let ring = Keyring::open(&dir.path().join("keys.db")).unwrap();
    let auth = Auth::new(Arc::new(ring), Arc::new(|_: &str| {}));
    let world = World {
        _dir: dir,
        auth: Arc::new(auth),
        issuer: issuer.url(),
    };
    world.apply(more);
    world
}

impl World {
    fn apply(&self, more: &str) {
        let text = format!(
            "auth: {{issuers: {{corp: {{issuer: '{}'{more}}}}}}}\nservers: {{files: {{command: x}}}}\n",
            self.issuer
        );
        let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
        self.auth.apply(&plan, "127.0.0.1:3000".parse().unwrap());
    }

    fn claims(&self, audience: &str) -> String {
        let (issuer, end) = (&self.issuer, NOW + 100);
        format!(r#"{{"iss":"{issuer}","sub":"alice","aud":"{audience}","exp":{end}}}"#)
    }

    async fn shows(&self, token: &str, now: u64) -> String {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert(http::header::AUTHORIZATION, value);
        match self.auth.authenticate(&headers, ASKED, now).await {
            Ok(principal) => principal.map_or("nobody".into(), |p| p.name.to_string()),
            Err(denied) => denied.failure.as_label().to_owned(),
        }
    }
}

const HERE: &str = "http://localhost:3000/files/mcp";

/// Keys are found by the metadata of the issuer.
fn publish(issuer: &Issuer, key: &Key) {
    let url = issuer.url();
    let metadata = format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/keys"}}"#);
    issuer.says("/.well-known/openid-configuration", &metadata);
    issuer.says("/keys", &key.jwks());
}

#[tokio::test]
async fn a_token_of_a_key_that_is_published_is_believed_for_its_audience() {
    let (issuer, key) = (Issuer::start().await, Key::new("k1"));
    publish(&issuer, &key);
    let world = world(&issuer, "");
    let token = key.token("k1", &world.claims(HERE));
    assert_eq!(world.shows(&token, NOW).await, "corp:alice");
    let asked = issuer.asked();
    assert_eq!(world.shows(&token, NOW).await, "corp:alice");
    assert_eq!(
        world.shows(&token, NOW + 200).await,
        "expired",
        "remembered, and ended all the same"
    );
    assert_eq!(issuer.asked(), asked, "nobody is asked for what is known");
    let other = key.token("k1", &world.claims("http://localhost:3000/other/mcp"));
    assert_eq!(world.shows(&other, NOW).await, "audience");
    assert_eq!(
        world.shows(&token[..token.len() - 2], NOW).await,
        "signature"
    );
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_once() {
    let (issuer, key) = (Issuer::start().await, Key::new("k1"));
    issuer.says("/keys", &key.jwks());
    let world = world(&issuer, &format!(", jwks_url: '{}/keys'", issuer.url()));
    let good = key.token("k1", &world.claims(HERE));
    assert_eq!(world.shows(&good, NOW).await, "corp:alice");
    let before = issuer.asked();
    let all = (0..300).map(|n| {
        let (auth, token) = (
            Arc::clone(&world.auth),
            key.token(&format!("x{n}"), &world.claims(HERE)),
        );
        tokio::spawn(async move {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            headers.insert(http::header::AUTHORIZATION, value);
            let shown = auth.authenticate(&headers, ASKED, NOW).await;
            shown.err().map(|denied| denied.failure)
        })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), Some(AuthFailure::UnknownKid));
    }
    assert!(
        issuer.asked() <= before + 1,
        "{} after {before}",
        issuer.asked()
    );
}

#[tokio::test]
async fn without_keys_nothing_is_known_of_a_token() {
    let (issuer, key) = (Issuer::start().await, Key::new("k1"));
    let world = world(&issuer, "");
    let token = key.token("k1", &world.claims(HERE));
    assert_eq!(world.shows(&token, NOW).await, "keys_unavailable");
}

#[tokio::test]
async fn keys_that_come_in_a_strange_way_are_none() {
    let key = Key::new("k1");
    let redirect = "HTTP/1.1 302 Found\r\nlocation: /real\r\ncontent-length: 0\r\n\r\n".to_owned();
    let long = format!("{{\"x\":\"{}\",{}", "a".repeat(300_000), &key.jwks()[1..]);
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}",
        long.len()
    );
    let secret = r#"{"keys":[{"kty":"oct","kid":"k1","k":"c2VjcmV0"}]}"#;
    let secret = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{secret}",
        secret.len()
    );
    for strange in [
        redirect,
        long,
        secret,
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html".into(),
    ] {
        let issuer = Issuer::start().await;
        issuer.says("/real", &key.jwks());
        issuer.does("/keys", &strange);
        let world = world(&issuer, &format!(", jwks_url: '{}/keys'", issuer.url()));
        let token = key.token("k1", &world.claims(HERE));
        assert_eq!(
            world.shows(&token, NOW).await,
            "keys_unavailable",
            "{strange:.60}"
        );
    }
}

#[tokio::test]
async fn metadata_of_somebody_else_lead_nowhere() {
    let (issuer, key) = (Issuer::start().await, Key::new("k1"));
    publish(&issuer, &key);
    let foreign = format!(
        r#"{{"issuer":"https://evil.example.com","jwks_uri":"{}/keys"}}"#,
        issuer.url()
    );
    issuer.says("/.well-known/openid-configuration", &foreign);
    let world = world(&issuer, "");
    let token = key.token("k1", &world.claims(HERE));
    assert_eq!(world.shows(&token, NOW).await, "keys_unavailable");
}

#[tokio::test]
async fn a_reload_keeps_the_keys_that_are_there() {
    let (issuer, key) = (Issuer::start().await, Key::new("k1"));
    publish(&issuer, &key);
    let world = world(&issuer, "");
    let token = key.token("k1", &world.claims(HERE));
    assert_eq!(world.shows(&token, NOW).await, "corp:alice");
    let asked = issuer.asked();
    world.apply(", required_scopes: [admin]");
    assert_eq!(world.shows(&token, NOW).await, "scope");
    world.apply(", algorithms: [RS256]");
    assert_eq!(
        world.shows(&token, NOW).await,
        "algorithm",
        "what was remembered is forgotten"
    );
    assert_eq!(issuer.asked(), asked);
}

#[tokio::test]
async fn metadata_of_a_resource_are_said_under_the_name_that_is_asked() {
    let issuer = Issuer::start().await;
    let world = world(&issuer, ", required_scopes: ['mcp:use']");
    let of = |host, path| {
        let asked = Asked {
            server: "files",
            path,
            host,
        };
        world.auth.metadata(asked).unwrap()
    };
    let text = of(Some("LOCALHOST:3000"), "/files/mcp");
    assert!(
        text.contains("\"resource\":\"http://localhost:3000/files/mcp\""),
        "{text}"
    );
    assert!(
        text.contains("\"scopes_supported\":[\"mcp:use\"]"),
        "{text}"
    );
    let text = of(Some("evil.example.com:3000"), "/mcp");
    assert!(
        text.contains("\"resource\":\"http://127.0.0.1:3000/mcp\""),
        "{text}"
    );
}
