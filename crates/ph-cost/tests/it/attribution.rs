//! Whose cost it is.

use std::collections::BTreeMap;

use ph_cost::attribution::{
    Calls, Capacity, Input, NotAttributed, Use, What, attribute, markdown, paid,
};
use ph_cost::price::{Money, Prices};
use proptest::prelude::*;

fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

fn calls(server: &str, tool: &str, client: &str, calls: u64, in_flight_us: u64) -> Calls {
    Calls {
        server: server.to_owned(),
        tool: tool.to_owned(),
        client: client.to_owned(),
        calls,
        in_flight_us,
        bytes: 1_000 * calls,
    }
}

/// An hour at one unit for a core and half of one for a GiB.
fn input() -> Input {
    Input {
        currency: "USD".to_owned(),
        length_s: 3_600,
        prices: Prices {
            cpu_hour: money("1"),
            gib_hour: money("0.5"),
            hours_per_month: 730,
            is_placeholder: false,
        },
        capacity: None,
        fixed: BTreeMap::new(),
        transfer_gb: None,
        own: None,
        servers: BTreeMap::new(),
        calls: Vec::new(),
    }
}

const HALF_A_CORE_AND_A_GIB: Use = Use {
    cpu_ms: 1_800_000,
    memory_mib_s: 1_024 * 3_600,
};

#[test]
fn what_is_measured_goes_to_the_server_and_then_to_calls_by_time_in_flight() {
    let mut input = input();
    input
        .servers
        .insert("files".to_owned(), HALF_A_CORE_AND_A_GIB);
    input.calls = vec![
        calls("files", "read", "ann", 10, 750_000),
        calls("files", "read", "bob", 10, 250_000),
        calls("remote", "ask", "ann", 10, 9_000_000),
    ];
    let cost = attribute(&input).expect("good numbers");
    assert_eq!(cost.total, money("1"));
    let amount = |nth: usize| {
        (
            cost.rows[nth].client.as_str(),
            cost.rows[nth].amount,
            cost.rows[nth].what,
        )
    };
    assert_eq!(amount(0), ("ann", money("0.75"), What::Measured));
    assert_eq!(amount(1), ("bob", money("0.25"), What::Measured));
    // It runs elsewhere, and nothing is known of what it costs there.
    assert_eq!(amount(2), ("ann", Money::ZERO, What::InFlight));
    assert_eq!(cost.clients[0].permille, Some(750));
    assert_eq!(cost.per_call, Some(money("0.033333")));
}

#[test]
fn capacity_that_nobody_used_is_a_row_and_so_is_a_server_that_nobody_called() {
    let mut input = input();
    input.capacity = Some(Capacity {
        cpu_milli: 2_000,
        memory_bytes: 4 << 30,
    });
    input
        .servers
        .insert("files".to_owned(), HALF_A_CORE_AND_A_GIB);
    let cost = attribute(&input).expect("good numbers");
    // 2 cores and 4 GiB for an hour: 2 + 2, of which 0.5 + 0.5 were used.
    assert_eq!(cost.total, money("4"));
    assert_eq!(cost.idle, money("3"));
    let whats: Vec<_> = cost.rows.iter().map(|row| row.what).collect();
    assert_eq!(whats, [What::Idle, What::Uncalled]);
    assert_eq!(cost.per_call, None);
    let text = markdown(&cost, 50);
    assert!(text.contains("Nothing was called"), "{text}");
}

#[test]
fn a_fixed_row_that_is_named_as_a_server_is_for_its_calls_and_others_for_all() {
    let mut input = input();
    input.length_s = 73 * 3_600;
    input.fixed.insert("remote".to_owned(), money("100"));
    input.fixed.insert("database".to_owned(), money("200"));
    input.calls = vec![
        calls("remote", "ask", "ann", 1, 3_000),
        calls("files", "read", "bob", 1, 1_000),
    ];
    let cost = attribute(&input).expect("good numbers");
    // A tenth of a month: 10 for the server, and 20 for all by 3 to 1.
    assert_eq!(cost.total, money("30"));
    assert_eq!(cost.rows[0].amount, money("25"));
    assert_eq!(cost.rows[1].amount, money("5"));
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let mut none = input();
    none.length_s = 0;
    assert_eq!(attribute(&none), Err(NotAttributed::NoTime));
    let mut negative = input();
    negative.prices.gib_hour = money("-1");
    let name = "gib_hour".to_owned();
    assert_eq!(attribute(&negative), Err(NotAttributed::Negative(name)));
    let mut beyond = input();
    beyond.prices.cpu_hour = Money::MAX;
    beyond.servers.insert(
        "files".to_owned(),
        Use {
            cpu_ms: u64::MAX,
            memory_mib_s: 0,
        },
    );
    let name = "files".to_owned();
    assert_eq!(attribute(&beyond), Err(NotAttributed::Beyond(name)));
}

fn inputs() -> impl Strategy<Value = Input> {
    let micro = 0_i64..10_000_000;
    let used = || (0_u64..100_000_000, 0_u64..100_000_000);
    let name = || "[ab]";
    (
        1_u64..3_000_000,
        (micro.clone(), micro.clone()),
        proptest::option::of((0_u64..10_000, 0_u64..(64 << 30))),
        proptest::collection::btree_map("[abc]", micro.clone(), 0..3),
        proptest::option::of(micro),
        proptest::option::of(used()),
        proptest::collection::btree_map(name(), used(), 0..3),
        proptest::collection::vec(
            (
                name(),
                "[xyz]",
                "[uv]?",
                0_u64..50,
                0_u64..10_000_000,
                0_u64..1_000_000,
            ),
            0..12,
        ),
    )
        .prop_map(
            |(length_s, (cpu, gib), capacity, fixed, transfer, own, servers, all)| {
                let of = |(cpu_ms, memory_mib_s)| Use {
                    cpu_ms,
                    memory_mib_s,
                };
                Input {
                    currency: "USD".to_owned(),
                    length_s,
                    prices: Prices {
                        cpu_hour: Money::from_micro(cpu),
                        gib_hour: Money::from_micro(gib),
                        hours_per_month: 730,
                        is_placeholder: false,
                    },
                    capacity: capacity.map(|(cpu_milli, memory_bytes)| Capacity {
                        cpu_milli,
                        memory_bytes,
                    }),
                    fixed: fixed
                        .into_iter()
                        .map(|(name, micro)| (name, Money::from_micro(micro)))
                        .collect(),
                    transfer_gb: transfer.map(Money::from_micro),
                    own: own.map(of),
                    servers: servers
                        .into_iter()
                        .map(|(name, used)| (name, of(used)))
                        .collect(),
                    calls: all
                        .into_iter()
                        .map(|(server, tool, client, calls, in_flight_us, bytes)| Calls {
                            server,
                            tool,
                            client,
                            calls,
                            in_flight_us,
                            bytes,
                        })
                        .collect(),
                }
            },
        )
}

proptest! {
    /// What is paid is known apart from how it is shared out: rows sum to it exactly, whoever called what.
    #[test]
    fn attributed_rows_sum_to_what_is_paid(input in inputs()) {
        let cost = attribute(&input).expect("within bounds");
        prop_assert!(cost.rows.iter().all(|row| row.amount >= Money::ZERO));
        let sum: Money = cost.rows.iter().map(|row| row.amount).sum();
        prop_assert_eq!(sum, cost.total);
        let calls: u64 = input.calls.iter().map(|calls| calls.calls).sum();
        prop_assert_eq!(cost.calls, calls);
        let by_what = paid(&input).expect("within bounds");
        let fixed_and_all = by_what.fixed.values().copied().sum::<Money>()
            + by_what.compute() + by_what.transfer.unwrap_or_default();
        prop_assert_eq!(cost.total, fixed_and_all);
        let month_s = 730 * 3_600;
        let fixed: Money = input.fixed.values().map(|price| price.times(input.length_s, month_s).unwrap()).sum();
        let bytes: u64 = input.calls.iter().map(|calls| calls.bytes).sum();
        let transfer = input.transfer_gb.map_or(Money::ZERO, |price| price.times(bytes, 1_000_000_000).unwrap());
        let priced = |used: &Use| {
            let cpu = input.prices.cpu_hour.times(used.cpu_ms, 3_600_000).unwrap();
            (cpu, input.prices.gib_hour.times(used.memory_mib_s, 1_024 * 3_600).unwrap())
        };
        let used: Vec<_> = input.servers.values().chain(&input.own).map(priced).collect();
        let (cpu, memory): (Money, Money) =
            (used.iter().map(|u| u.0).sum(), used.iter().map(|u| u.1).sum());
        let sum = fixed + transfer + cpu + memory + cost.idle;
        // Bytes without calls to carry them are nobody's, and there are none.
        prop_assert_eq!(cost.total, sum);
        prop_assert!(input.capacity.is_some() || cost.idle == Money::ZERO);
        let of_servers: Money = cost.servers.iter().map(|sum| sum.amount).sum();
        prop_assert!(of_servers <= cost.total);
    }
}
