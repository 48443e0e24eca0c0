//! What has been taken of limits, in this process alone.

use super::store::{Held, Lacking, LimitStore, Taking, Verdict};
use super::table::{CellKey, Table};
use ph_policy::{Charge, Charges, Kind, Now, Spent, Subject};
use ph_record::ServerTable;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What has been taken of limits, in this process alone: bounded in bytes, whoever calls.
///
/// When there is no room for a subject more, those that come new share one, so that a flood of invented
/// clients is held back together and the clients that were there before it are not. Such charges are
/// counted.
pub struct LocalStore {
    /// The last one is for subjects that are all of a limit, and for those that share.
    tables: Vec<Mutex<Table>>,
    /// Keyed at random: nobody can choose names that collide.
    hasher: RandomState,
    /// Where it is counted how much is remembered.
    counts: Arc<ServerTable>,
}

/// Tables: two workers seldom want the same one.
const SHARDS: usize = 255;

/// Cells of the last table: more than the limits of a few plans with all their kinds.
const SHARED_CELLS: usize = 512;

/// Bytes of a cell.
const CELL_BYTES: usize = 16;

impl LocalStore {
    /// Bytes for the limits of a process: 3 million subjects, such as a million clients with three limits
    /// each.
    pub const BYTES_MAX: usize = 64 << 20;

    /// - `bytes_max`: most bytes. A table that is made anew, a 256th of the whole, is there twice for that
    ///   moment.
    /// - `counts`: where it is counted how much is remembered.
    pub fn new(bytes_max: usize, counts: Arc<ServerTable>) -> Self {
        let cells = (bytes_max / CELL_BYTES).saturating_sub(SHARED_CELLS) / SHARDS;
        let tables = (0..SHARDS).map(|_| Mutex::new(Table::new(cells)));
        let shared = Mutex::new(Table::new(SHARED_CELLS));
        Self {
            tables: tables.chain([shared]).collect(),
            hasher: RandomState::new(),
            counts,
        }
    }

    /// Bytes allocated for subjects.
    pub fn bytes(&self) -> usize {
        self.tables.iter().map(|table| lock(table).bytes()).sum()
    }

    /// Takes all of `charges`, or none.
    ///
    /// # Errors
    /// [`Lacking`]: what there was nothing left of.
    pub fn decide(&self, charges: &[Charge<'_>], now: Now) -> Result<Held, Lacking> {
        let mut places: Vec<_> = charges.iter().map(|c| self.place(&c.subject)).collect();
        let mut tables = self.lock_all(&places);
        let mut lacking: Option<Lacking> = None;
        let mut next = Vec::with_capacity(charges.len());
        for (nth, (charge, place)) in charges.iter().zip(&mut places).enumerate() {
            let state = self.remembered(&mut tables, charge, place, charges.len(), now);
            match charge.allowance.charge(state, now) {
                Ok(state) => next.push(state),
                Err(Spent { wait }) if lacking.is_none_or(|other| wait > other.wait) => {
                    lacking = Some(Lacking { charge: nth, wait });
                }
                Err(_) => {}
            }
        }
        if let Some(lacking) = lacking {
            return Err(lacking);
        }
        let mut held = Held::default();
        for ((charge, place), state) in charges.iter().zip(&places).zip(next) {
            self.counting(tables.of(place.shard), |table| {
                table.put(place.key, state, now);
            });
            if place.is_overflow {
                self.counts.limits.overflowed.fetch_add(1, Relaxed);
            }
            if charge.allowance.kind() == Kind::Concurrent {
                held.0.push(place.key.bits());
            }
        }
        Ok(held)
    }

    /// Takes from each limit on trial what it would have; returns a charge of each that would have refused.
    fn try_out(&self, charges: &[Charge<'_>], now: Now, held: &mut Held) -> Vec<usize> {
        let mut would_refuse = Vec::new();
        let mut at = 0;
        for of_one in charges.chunk_by(|a, b| a.limit.name == b.limit.name) {
            match self.decide(of_one, now) {
                Ok(taken) => held.0.extend(taken.0),
                Err(lacking) => would_refuse.push(at + lacking.charge),
            }
            at += of_one.len();
        }
        would_refuse
    }

    /// Where a subject belongs.
    fn place(&self, subject: &Subject<'_>) -> Place {
        let key = CellKey::new(self.hasher.hash_one(subject), subject.kind);
        let is_whole = *subject == subject.of_the_rest();
        Place {
            key,
            shard: if is_whole { SHARDS } else { shard_of(key) },
            is_overflow: false,
        }
    }

    /// What is remembered of a subject. Without room for it, its place becomes the one that the rest of its
    /// limit's subjects share.
    fn remembered<'a>(
        &'a self,
        tables: &mut Locked<'a>,
        charge: &Charge<'_>,
        place: &mut Place,
        count: usize,
        now: Now,
    ) -> u64 {
        let table = tables.of(place.shard);
        if let Some(state) = table.get(place.key) {
            return state;
        }
        let has_room = self.counting(table, |table| table.has_room(count, now));
        if has_room || place.shard == SHARDS {
            return 0;
        }
        *place = Place {
            is_overflow: true,
            ..self.place(&charge.subject.of_the_rest())
        };
        let shared = tables.last(&self.tables);
        self.counting(shared, |table| table.has_room(count, now));
        shared.get(place.key).unwrap_or(0)
    }

    /// The tables of `places`, locked in the one order in which everybody locks them.
    fn lock_all(&self, places: &[Place]) -> Locked<'_> {
        let mut shards: Vec<_> = places.iter().map(|place| place.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        let locked = shards.into_iter();
        Locked(
            locked
                .map(|shard| (shard, lock(&self.tables[shard])))
                .collect(),
        )
    }

    fn counting<T>(&self, table: &mut Table, change: impl FnOnce(&mut Table) -> T) -> T {
        let before = table.used();
        let changed = change(table);
        let more = i64::try_from(table.used()).unwrap_or(0) - i64::try_from(before).unwrap_or(0);
        if more != 0 {
            self.counts.limits.subjects.fetch_add(more, Relaxed);
        }
        changed
    }
}

impl LimitStore for LocalStore {
    fn take<'a>(&'a self, charges: &'a Charges<'a>, now: Now) -> Taking<'a> {
        let mut held = match self.decide(&charges.enforced, now) {
            Ok(held) => held,
            Err(lacking) => return Taking::Done(Verdict::Refused(lacking)),
        };
        let would_refuse = self.try_out(&charges.dry, now, &mut held);
        Taking::Done(Verdict::Taken { held, would_refuse })
    }

    fn give_back(&self, held: &Held) {
        for bits in &held.0 {
            let key = CellKey::of_bits(*bits);
            // Keys of the last table are in no other, and the other way round.
            let mut shards = [shard_of(key), SHARDS].into_iter();
            shards.find(|shard| lock(&self.tables[*shard]).give_back(key));
        }
    }
}

/// Where a subject is remembered.
struct Place {
    key: CellKey,
    shard: usize,
    is_overflow: bool,
}

/// Tables by shard, rising. They are few: a list is searched faster than anything else.
struct Locked<'a>(Vec<(usize, MutexGuard<'a, Table>)>);

impl<'a> Locked<'a> {
    /// The table of a shard that was locked.
    fn of(&mut self, shard: usize) -> &mut Table {
        let at = self.0.iter().position(|(s, _)| *s == shard);
        &mut self.0[at.expect("the table of a charge is locked before it is looked at")].1
    }

    /// The last table; it comes after all others, so it can be locked when they are.
    fn last(&mut self, tables: &'a [Mutex<Table>]) -> &mut Table {
        if self.0.last().is_none_or(|(shard, _)| *shard != SHARDS) {
            self.0.push((SHARDS, lock(&tables[SHARDS])));
        }
        self.of(SHARDS)
    }
}

fn shard_of(key: CellKey) -> usize {
    usize::try_from(key.bits() >> 40).unwrap_or(0) % SHARDS
}

/// Nothing panics while a table is locked; if it did, a count would be wrong and no more.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_plan::{NoSecrets, Plan};
    use ph_policy::{Asked, ClientId, Limits};
    use std::time::Duration;

    struct Given {
        limits: Limits,
        store: LocalStore,
        counts: Arc<ServerTable>,
    }

    fn given(limits: &str, bytes: usize) -> Given {
        let text = format!("limits:\n{limits}servers: {{a: {{command: x}}}}\n");
        let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
        let counts = Arc::new(ServerTable::default());
        Given {
            limits: Limits::new(&plan),
            store: LocalStore::new(bytes, Arc::clone(&counts)),
            counts,
        }
    }

    const MS: u64 = 1_000_000;

    impl Given {
        fn call(&self, client: u32, tool: &str, at_ms: u64) -> Result<Held, Lacking> {
            let asked = Asked {
                client: ClientId::V4(client),
                server: "a",
                method: "tools/call",
                tool: Some(tool),
                is_stream: false,
            };
            let now = Now {
                ns: at_ms * MS,
                unix_s: at_ms / 1000,
            };
            self.store.decide(&self.limits.decide(&asked).enforced, now)
        }

        fn passes(&self, client: u32, tool: &str, at_ms: u64) -> bool {
            self.call(client, tool, at_ms).is_ok()
        }

        fn subjects(&self) -> i64 {
            self.counts.limits.subjects.load(Relaxed)
        }

        fn overflowed(&self) -> u64 {
            self.counts.limits.overflowed.load(Relaxed)
        }
    }

    const EXAMPLE: &str =
        "  calls: {rate: 100/min}\n  search: {tools: [searchFiles], rate: 10/min}\n";

    #[test]
    fn the_documented_example() {
        let given = given(EXAMPLE, LocalStore::BYTES_MAX);
        let passed = (0..50)
            .filter(|_| given.passes(1, "searchFiles", 0))
            .count();
        assert_eq!(passed, 10);
        let lacking = Lacking {
            charge: 1,
            wait: Duration::from_secs(6),
        };
        assert_eq!(given.call(1, "searchFiles", 0), Err(lacking));
        // The refused ones have taken nothing of the other limit.
        let others = (0..200).filter(|_| given.passes(1, "echo", 0)).count();
        assert_eq!(others, 90);
        assert!(given.passes(2, "searchFiles", 0));
        assert!(given.passes(1, "searchFiles", 6_000));
    }

    proptest::proptest! {
        /// In virtual time, of every client and of every tool: no window has more calls than the rate and the
        /// burst.
        #[test]
        fn no_window_has_more_than_any_limit_allows(
            calls in proptest::collection::vec((0..3_u32, 0..2_usize, 0..900_u64), 1..300),
            (each, burst, tool) in (1..30_u32, 1..12_u32, 1..40_u32),
        ) {
            let limits = format!(
                "  each: {{rate: {each}/10s, burst: {burst}}}\n  tool: {{per: [tool], rate: {tool}/10s, burst: 3}}\n"
            );
            let given = given(&limits, LocalStore::BYTES_MAX);
            let mut now = 0;
            let mut passed = Vec::new();
            for (client, tool, gap) in calls {
                // Mostly at once: gaps above some bound are rare.
                now += gap.saturating_sub(600);
                if given.passes(client, ["a", "b"][tool], now) {
                    passed.push((client, tool, now));
                }
            }
            let check = |times: Vec<u64>, calls: u32, burst: u32| {
                for (first, from) in times.iter().enumerate() {
                    for (more, to) in times[first..].iter().enumerate() {
                        let extra = (more as u64 + 1).saturating_sub(u64::from(burst));
                        // calls in [from, to] <= window * rate + burst, in whole numbers.
                        proptest::prop_assert!(extra * 10_000 <= (to - from) * u64::from(calls));
                    }
                }
                Ok(())
            };
            for one in 0..3 {
                let times = passed.iter().filter(|(client, _, _)| *client == one);
                check(times.map(|(_, _, at)| *at).collect(), each, burst)?;
            }
            for one in 0..2 {
                let times = passed.iter().filter(|(_, tool, _)| *tool == one);
                check(times.map(|(_, _, at)| *at).collect(), tool, 3)?;
            }
        }
    }

    #[test]
    fn a_refused_call_takes_nothing_of_any_limit() {
        let limits = "  a: {daily: 3}\n  b: {tools: [no], rate: 1/h}\n  c: {concurrency: 2}\n";
        let given = given(limits, LocalStore::BYTES_MAX);
        assert!(given.passes(1, "no", 0));
        for _ in 0..10 {
            assert!(!given.passes(1, "no", 0));
        }
        let second = given.call(1, "yes", 0).unwrap();
        assert!(!given.passes(1, "yes", 0), "three at once");
        given.store.give_back(&second);
        assert!(given.passes(1, "yes", 0));
        assert!(!given.passes(1, "yes", 0));
    }

    /// Many threads at once pass what one would.
    #[test]
    fn threads_together_take_no_more_than_there_is() {
        let given = given(
            "  all: {per: [], daily: 700}\n  each: {daily: 1000}\n  tool: {per: [tool], daily: 1000}\n",
            LocalStore::BYTES_MAX,
        );
        let passed: usize = std::thread::scope(|scope| {
            let each = |client| {
                let given = &given;
                move || (0..500).filter(|_| given.passes(client, "t", 0)).count()
            };
            let threads: Vec<_> = (0..4).map(|client| scope.spawn(each(client))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(passed, 700);
    }

    #[test]
    fn a_million_clients_fit_and_are_forgotten() {
        let limits = "  a: {rate: 10/s}\n  b: {rate: 1/s, burst: 2}\n  c: {per: [client, tool], rate: 1/s}\n";
        let given = given(limits, LocalStore::BYTES_MAX);
        for client in 0..1_000_000 {
            assert!(given.passes(client, "t", 0));
        }
        assert_eq!((given.subjects(), given.overflowed()), (3_000_000, 0));
        let bytes = given.store.bytes();
        assert!(bytes <= 64 << 20, "{bytes}");
        // All of them have their own state still.
        for client in (0..1_000_000).step_by(1_000) {
            assert!(!given.passes(client, "t", 1));
        }
        // An hour later others take their places.
        for client in 1_000_000..1_300_000 {
            assert!(given.passes(client, "t", 3_600_000));
        }
        assert_eq!(given.overflowed(), 0);
        assert!(given.store.bytes() <= 64 << 20);
    }

    #[test]
    fn beyond_the_bound_those_that_come_new_share() {
        // 64 cells in each table: some 12,000 subjects.
        let given = given("  one: {rate: 2/h}\n", 1);
        assert!(given.passes(7, "t", 0));
        for client in 1_000..100_000 {
            given.passes(client, "t", 0);
        }
        let bytes = given.store.bytes();
        assert!(
            bytes <= (SHARDS * 64 + SHARED_CELLS) * CELL_BYTES,
            "{bytes}"
        );
        // Two newcomers had what the rest have together; who was there before still has its own.
        assert_eq!(given.overflowed(), 2);
        assert!(given.passes(7, "t", 0));
        assert!(!given.passes(7, "t", 0));
        // When the flood is over, there is room again.
        assert!(given.passes(3_000_000, "t", 7_200_000));
        assert_eq!(given.overflowed(), 2);
    }

    #[test]
    fn what_is_held_at_the_same_time_is_never_forgotten() {
        let given = given("  one: {concurrency: 1}\n", LocalStore::BYTES_MAX);
        let held: Vec<_> = (0..100_000)
            .filter_map(|client| given.call(client, "t", 0).ok())
            .collect();
        for client in 0..100_000 {
            assert!(!given.passes(client, "t", 1_000_000_000));
        }
        held.iter().for_each(|held| given.store.give_back(held));
        assert_eq!(held.len(), 100_000);
        assert!((0..100_000).all(|client| given.passes(client, "t", 2_000_000_000)));
    }
}
