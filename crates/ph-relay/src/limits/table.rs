//! An open-addressing table of 16 bytes for each subject.
//!
//! A cell whose state means as little as 0 is as good as free, so nothing has to be removed: such cells are
//! taken over by others, and left out when the table is made anew.

use ph_policy::{Kind, Now};

/// A subject of one kind, hashed. Never 0: its two lowest bits are the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CellKey(u64);

impl CellKey {
    pub(super) fn new(hash: u64, kind: Kind) -> Self {
        Self(hash & !3 | kind as u64)
    }

    /// One that [`CellKey::bits`] gave.
    pub(super) fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }

    fn kind(self) -> Kind {
        match self.0 & 3 {
            1 => Kind::Rate,
            2 => Kind::Daily,
            _ => Kind::Concurrent,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Cell {
    /// 0: never used.
    key: u64,
    state: u64,
}

/// Cells of a new table.
const CELLS_MIN: usize = 64;

/// Seconds between two attempts to find room in a table that was full.
const RETRY_S: u64 = 1;

pub(super) struct Table {
    /// A power of two of them, or none.
    cells: Vec<Cell>,
    /// Cells that were ever used.
    used: usize,
    /// Most cells, a power of two.
    cells_max: usize,
    /// Unix time in seconds before which a full table is not looked through again.
    retry_at: u64,
}

impl Table {
    /// - `cells_max`: rounded down to a power of two, at least 64.
    pub(super) fn new(cells_max: usize) -> Self {
        let cells_max = cells_max.max(CELLS_MIN);
        Self {
            cells: Vec::new(),
            used: 0,
            cells_max: 1 << cells_max.ilog2(),
            retry_at: 0,
        }
    }

    /// The state of a subject; `None`: it is not remembered.
    pub(super) fn get(&self, key: CellKey) -> Option<u64> {
        let cell = &self.cells[self.find(key)?];
        (cell.key == key.0).then_some(cell.state)
    }

    /// Gives back one of what a subject has, if it is remembered.
    pub(super) fn give_back(&mut self, key: CellKey) -> bool {
        let cell = self.find(key).map(|at| &mut self.cells[at]);
        match cell {
            Some(cell) if cell.key == key.0 => {
                cell.state = cell.state.saturating_sub(1);
                true
            }
            _ => false,
        }
    }

    /// Whether `count` more subjects could be remembered now. Makes room if it can.
    pub(super) fn has_room(&mut self, count: usize, now: Now) -> bool {
        let fits = |used, cells: usize| used + count <= cells / 4 * 3;
        if fits(self.used, self.cells.len()) {
            return true;
        }
        if self.cells.len() == self.cells_max && now.unix_s < self.retry_at {
            return false;
        }
        self.renew(now);
        if fits(self.used, self.cells.len()) {
            return true;
        }
        // Looking through all cells for every new subject would be an attack's work.
        self.retry_at = now.unix_s + RETRY_S;
        false
    }

    /// Remembers the state of a subject: in its cell, else in that of an idle one on the way, else in an
    /// unused one. There must be room.
    pub(super) fn put(&mut self, key: CellKey, state: u64, now: Now) {
        let Some(mut at) = self.first(key) else {
            return;
        };
        let mut free = None;
        for _ in 0..self.cells.len() {
            let cell = &mut self.cells[at];
            if cell.key == key.0 {
                cell.state = state;
                return;
            }
            if cell.key == 0 {
                free = free.or(Some(at));
                break;
            }
            if free.is_none() && CellKey(cell.key).kind().is_idle(cell.state, now) {
                free = Some(at);
            }
            at = (at + 1) & (self.cells.len() - 1);
        }
        if let Some(at) = free {
            self.used += usize::from(self.cells[at].key == 0);
            self.cells[at] = Cell { key: key.0, state };
        }
    }

    /// Subjects, idle ones that still have their cell included.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Bytes that it has allocated.
    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    /// Leaves out what is idle; larger when that alone gives no room for as many again.
    fn renew(&mut self, now: Now) {
        let is_live =
            |cell: &Cell| cell.key != 0 && !CellKey(cell.key).kind().is_idle(cell.state, now);
        let live = self.cells.iter().filter(|cell| is_live(cell)).count();
        let mut cells = CELLS_MIN;
        while live > cells / 8 * 3 && cells < self.cells_max {
            cells *= 2;
        }
        let old = std::mem::replace(&mut self.cells, vec![Cell::default(); cells]);
        self.used = 0;
        for cell in old.iter().filter(|cell| is_live(cell)) {
            if let Some(mut at) = self.first(CellKey(cell.key)) {
                while self.cells[at].key != 0 {
                    at = (at + 1) & (cells - 1);
                }
                self.cells[at] = *cell;
                self.used += 1;
            }
        }
    }

    /// Where `key` is, or the unused cell at which the search for it ends.
    fn find(&self, key: CellKey) -> Option<usize> {
        let mut at = self.first(key)?;
        for _ in 0..self.cells.len() {
            let cell = &self.cells[at];
            if cell.key == key.0 || cell.key == 0 {
                return Some(at);
            }
            at = (at + 1) & (self.cells.len() - 1);
        }
        None
    }

    /// Where the search for `key` begins; the lowest bits chose the shard, and the kind.
    fn first(&self, key: CellKey) -> Option<usize> {
        let mask = self.cells.len().checked_sub(1)?;
        Some(usize::try_from(key.0 >> 16).unwrap_or(0) & mask)
    }
}
