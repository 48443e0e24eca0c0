//! An authorization server that has keys, or something else, and counts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A key of an issuer.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    kid: String,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        let (alg, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let made = EcdsaKeyPair::generate_pkcs8(alg, &random).unwrap();
        Self {
            pair: EcdsaKeyPair::from_pkcs8(alg, made.as_ref(), &random).unwrap(),
            kid: kid.to_owned(),
        }
    }

    pub(crate) fn jwks(&self) -> String {
        let public = self.pair.public_key().as_ref();
        let (x, y) = (&public[1..33], &public[33..]);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = &self.kid;
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}]}}"#)
    }

    /// A token with this `kid` in its head.
    pub(crate) fn token(&self, kid: &str, claims: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// Answers each path as told, 404 where nothing is said of it.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    answers: Arc<Mutex<Vec<(String, String)>>>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            answers: Arc::default(),
        };
        let serving = issuer.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let issuer = serving.clone();
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    let mut read = 0;
                    while !head[..read].windows(4).any(|w| w == b"\r\n\r\n") {
                        match stream.read(&mut head[read..]).await {
                            Ok(n) if n > 0 => read += n,
                            _ => return,
                        }
                    }
                    let text = String::from_utf8_lossy(&head[..read]).into_owned();
                    let path = text.split(' ').nth(1).unwrap_or("").to_owned();
                    issuer.asked.fetch_add(1, SeqCst);
                    let _ = stream.write_all(issuer.answer(&path).as_bytes()).await;
                });
            }
        });
        issuer
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// From now on `path` is answered with 200 and `body`.
    pub(crate) fn says(&self, path: &str, body: &str) {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
        self.does(path, &format!("{head} {}\r\n\r\n{body}", body.len()));
    }

    /// From now on `path` is answered with these bytes.
    pub(crate) fn does(&self, path: &str, whole: &str) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(known, _)| known != path);
        answers.push((path.to_owned(), whole.to_owned()));
    }

    fn answer(&self, path: &str) -> String {
        let answers = self.answers.lock().unwrap();
        let found = answers.iter().find(|(known, _)| known == path);
        let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        found.map_or_else(|| none.to_owned(), |(_, whole)| whole.clone())
    }
}
