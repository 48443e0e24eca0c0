//! What callers see when Redis comes, goes and hangs.

use crate::server::Redis;
use ph_plan::{NoSecrets, Plan};
use ph_policy::{Asked, Charges, ClientId, Limits};
use ph_redis::resp::Reply;
use ph_redis::{Away, Settings, SharedLimits, Stats, Taken};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(200);
/// What is waited for comes within it, also on a machine that has much else to do.
const GIVE_UP: Duration = Duration::from_secs(20);

struct Given {
    limits: Limits,
    shared: SharedLimits,
    stats: Arc<Stats>,
    runtime: tokio::runtime::Runtime,
}

fn given(redis: &Redis, limits: &str) -> Given {
    let text = format!("limits:\n{limits}servers: {{a: {{command: x}}}}\n");
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
    let settings = Settings {
        host: "127.0.0.1".to_owned(),
        port: redis.port,
        tls: None,
        username: None,
        password: None,
        database: 1,
        prefix: "test".to_owned(),
        timeout: TIMEOUT,
    };
    let stats = Arc::new(Stats::default());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    Given {
        limits: Limits::new(&plan),
        shared: SharedLimits::new(settings, 1, Arc::clone(&stats)).unwrap(),
        stats,
        runtime: runtime.enable_all().build().unwrap(),
    }
}

impl Given {
    fn charges(&self) -> Charges<'_> {
        self.limits.decide(&Asked {
            client: ClientId::Named("n"),
            server: "a",
            method: "tools/call",
            tool: Some("t"),
            is_stream: false,
        })
    }

    fn call(&self) -> Result<Taken, Away> {
        let charges = self.charges();
        self.runtime.block_on(self.shared.take(&charges))
    }

    fn lease(&self) -> Option<u64> {
        match self.call() {
            Ok(Taken::All { lease, .. }) => lease,
            _ => None,
        }
    }

    /// Asks until it is so.
    fn until(&self, wanted: impl Fn(&Result<Taken, Away>) -> bool) -> Taken {
        let give_up = Instant::now() + GIVE_UP;
        loop {
            let got = self.call();
            if wanted(&got) {
                return got.unwrap_or(Taken::Nothing {
                    charge: 0,
                    wait: Duration::ZERO,
                });
            }
            assert!(Instant::now() < give_up, "{got:?}");
            self.turn();
        }
    }

    /// Lets the task of the lane go on.
    fn turn(&self) {
        let moment = async { tokio::time::sleep(Duration::from_millis(1)).await };
        self.runtime.block_on(moment);
    }
}

#[test]
fn places_are_given_back_also_by_whoever_does_not_wait_for_the_answer() {
    let redis = Redis::start();
    let given = given(&redis, "  a: {concurrency: 2}\n");
    let (first, second) = (given.lease().unwrap(), given.lease().unwrap());
    assert_eq!(
        given.call(),
        Ok(Taken::Nothing {
            charge: 0,
            wait: Duration::from_secs(1)
        })
    );
    given.shared.give_back(first);
    let third = given.lease().unwrap();
    given.shared.give_back(third);
    // It is asked, and nobody is there for the answer.
    let charges = given.charges();
    given.runtime.block_on(async {
        let asked = given.shared.take(&charges);
        tokio::pin!(asked);
        let once = std::future::poll_fn(|cx| {
            let _ = asked.as_mut().poll(cx);
            std::task::Poll::Ready(())
        });
        once.await;
    });
    let Taken::All { lease, .. } = given.until(|got| matches!(got, Ok(Taken::All { .. }))) else {
        panic!("it passes");
    };
    assert!(lease.is_some() && given.lease().is_none());
    given.shared.give_back(second);
    given.until(|got| matches!(got, Ok(Taken::All { .. })));
    let mut client = redis.client();
    client.ask(&["SELECT", "1"]);
    let Reply::List(keys) = client.ask(&["KEYS", "*"]) else {
        panic!("keys are a list");
    };
    // One subject, and no name of a client.
    let [Reply::Bulk(Some(key))] = keys.as_slice() else {
        panic!("{keys:?}");
    };
    let key = String::from_utf8_lossy(key);
    assert!(key.starts_with("test:a:concurrency:"), "{key}");
    // It goes when nobody renews it.
    let Reply::Int(ms) = client.ask(&["PTTL", &key]) else {
        panic!("a key has its time");
    };
    assert!((1..=30_000).contains(&ms), "{ms}");
}

#[test]
fn a_script_that_redis_has_forgotten_is_sent_again() {
    let redis = Redis::start();
    let given = given(&redis, "  a: {daily: 3}\n");
    assert!(given.call().is_ok());
    redis.client().ask(&["SCRIPT", "FLUSH"]);
    assert!(matches!(given.call(), Ok(Taken::All { .. })));
    assert!(matches!(given.call(), Ok(Taken::All { .. })));
    assert!(matches!(given.call(), Ok(Taken::Nothing { .. })));
    assert_eq!(given.stats.trouble(), None);
}

#[test]
fn nobody_waits_for_a_redis_that_is_gone_and_it_is_found_again() {
    let mut redis = Redis::start();
    let given = given(&redis, "  a: {concurrency: 2}\n");
    let _held = given.lease().unwrap();
    redis.kill();
    given.until(Result::is_err);
    for _ in 0..100 {
        let began = Instant::now();
        assert_eq!(given.call(), Err(Away));
        assert!(began.elapsed() < TIMEOUT);
    }
    let trouble = given.stats.trouble().unwrap();
    assert!(
        trouble.what.contains(&redis.port.to_string()),
        "{trouble:?}"
    );
    let redis = Redis::start_at(redis.port);
    // It remembers nothing, and is told of the call that is still there.
    given.until(|got| matches!(got, Ok(Taken::All { .. })));
    given.until(|got| matches!(got, Ok(Taken::Nothing { .. })));
    assert_eq!(given.stats.trouble(), None);
    drop(redis);
}

#[test]
fn a_redis_that_hangs_is_waited_for_once() {
    let redis = Redis::start();
    let given = given(&redis, "  a: {daily: 1}\n");
    assert!(given.call().is_ok());
    redis.signal("-STOP");
    let began = Instant::now();
    assert_eq!(given.call(), Err(Away));
    assert!(began.elapsed() >= TIMEOUT);
    for _ in 0..100 {
        let began = Instant::now();
        assert_eq!(given.call(), Err(Away));
        assert!(began.elapsed() < TIMEOUT);
    }
    redis.signal("-CONT");
    given.until(|got| matches!(got, Ok(Taken::Nothing { .. })));
}

#[test]
fn whoever_is_no_redis_is_said_to_be_none() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let mut redis = Redis::start();
    redis.port = port;
    let given = given(&redis, "  a: {daily: 1}\n");
    given.until(Result::is_err);
    answering.join().unwrap();
    let give_up = Instant::now() + GIVE_UP;
    while given.stats.trouble().is_none() {
        assert!(Instant::now() < give_up);
        given.turn();
    }
    let what = given.stats.trouble().unwrap().what;
    assert!(
        what.contains("no reply of Redis") || what.contains("broke"),
        "{what}"
    );
}
