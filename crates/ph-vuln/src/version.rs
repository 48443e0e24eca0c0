//! The order of versions, which each ecosystem defines for itself.
//!
//! Advisories say `introduced` and `fixed`; what lies between is a matter of order and never of the range syntax of a
//! package manager (npm's `<1.24.0` leaves out `1.24.0-beta.1`, SemVer's order puts it below).

mod alpine;
mod numeral;
mod packagist;
mod rpm;
mod rubygems;
mod semver;

use std::cmp::Ordering;
use std::str::FromStr as _;

use ph_inventory::Ecosystem;

use alpine::Alpine;
use packagist::Packagist;
use rpm::Rpm;
use rubygems::RubyGems;
use semver::SemVer;

/// No registry has longer versions; what is longer is not looked at.
pub const VERSION_BYTES_MAX: usize = 512;
/// So much of a version is shown in an error.
const SHOWN_CHARS_MAX: usize = 64;

/// A version that was read as its ecosystem writes versions. Versions of different ecosystems have no order that means
/// anything.
#[derive(Debug, Clone)]
pub struct Version {
    order: Order,
    flaw: Option<&'static str>,
}

#[derive(Debug, Clone)]
enum Order {
    SemVer(SemVer),
    Python(Box<pep440_rs::Version>),
    Debian(debversion::Version),
    Rpm(Rpm),
    Alpine(Alpine),
    RubyGems(RubyGems),
    Packagist(Packagist),
}

/// Why two versions have no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoOrder {
    /// The text is not a version of this ecosystem.
    #[error("`{version}` is no version of {ecosystem}: {why}")]
    Unreadable {
        /// The text, cut and with control characters escaped.
        version: String,
        /// The ecosystem's OSV name.
        ecosystem: String,
        /// What is wrong with it.
        why: String,
    },
    /// Versions of this ecosystem are compared for equality only.
    #[error("the order of versions of {0} is not known here")]
    Ecosystem(String),
}

/// Compares two versions in the order of their ecosystem.
///
/// # Errors
/// When one of them cannot be read, or the order of the ecosystem is not known here.
pub fn compare(ecosystem: &Ecosystem, a: &str, b: &str) -> Result<Ordering, NoOrder> {
    Ok(Version::read(ecosystem, a)?.cmp(&Version::read(ecosystem, b)?))
}

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// When it cannot be read, or the order of the ecosystem is not known here.
    pub fn read(ecosystem: &Ecosystem, text: &str) -> Result<Self, NoOrder> {
        let unreadable = |why: String| NoOrder::Unreadable {
            version: shown(text),
            ecosystem: ecosystem.to_string(),
            why,
        };
        if let Some(why) = unusable(text) {
            return Err(unreadable(why.to_owned()));
        }
        let mut flaw = None;
        let order = match ecosystem {
            Ecosystem::Npm | Ecosystem::CratesIo | Ecosystem::Go => {
                let version = SemVer::read(text).map_err(|why| unreadable(why.to_owned()))?;
                flaw = version.flaw();
                Order::SemVer(version)
            }
            Ecosystem::PyPi => pep440_rs::Version::from_str(text)
                .map(|version| Order::Python(Box::new(version)))
                .map_err(|error| unreadable(one_line(&error.to_string())))?,
            Ecosystem::Debian(_) | Ecosystem::Ubuntu(_) => debversion::Version::from_str(text)
                .map(Order::Debian)
                .map_err(|_| unreadable("not an epoch, a version and a revision".to_owned()))?,
            Ecosystem::Rpm(_) => {
                Order::Rpm(Rpm::read(text).map_err(|why| unreadable(why.to_owned()))?)
            }
            Ecosystem::Alpine(_) => {
                let version = Alpine::read(text);
                flaw = version.flaw();
                Order::Alpine(version)
            }
            Ecosystem::Other(name) => other(name, text).map_err(|why| {
                why.map_or_else(
                    || NoOrder::Ecosystem(name.clone()),
                    |why| unreadable(why.to_owned()),
                )
            })?,
        };
        Ok(Self { order, flaw })
    }

    /// What the ecosystem's own rules have against this version although its tools order it. What is concluded from
    /// such an order is uncertain.
    #[must_use]
    pub fn flaw(&self) -> Option<&'static str> {
        self.flaw
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.order, &other.order) {
            (Order::SemVer(a), Order::SemVer(b)) => a.cmp(b),
            (Order::Python(a), Order::Python(b)) => a.cmp(b),
            (Order::Debian(a), Order::Debian(b)) => a.cmp(b),
            (Order::Rpm(a), Order::Rpm(b)) => a.cmp(b),
            (Order::Alpine(a), Order::Alpine(b)) => a.cmp(b),
            (Order::RubyGems(a), Order::RubyGems(b)) => a.cmp(b),
            (Order::Packagist(a), Order::Packagist(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Equal in their order: `1.0` and `1.0.0` of `PyPI` are.
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl Order {
    fn rank(&self) -> u8 {
        match self {
            Self::SemVer(_) => 0,
            Self::Python(_) => 1,
            Self::Debian(_) => 2,
            Self::Rpm(_) => 3,
            Self::Alpine(_) => 4,
            Self::RubyGems(_) => 5,
            Self::Packagist(_) => 6,
        }
    }
}

/// Those of ecosystems of which there are SBOMs, and no readers here. Without a reason: their order is not known.
fn other(ecosystem: &str, text: &str) -> Result<Order, Option<&'static str>> {
    Ok(match ecosystem {
        "RubyGems" => Order::RubyGems(RubyGems::read(text)?),
        "Packagist" => Order::Packagist(Packagist::read(text)?),
        // SemVer with a fourth number, and words whose case does not count.
        "NuGet" => Order::SemVer(SemVer::read(&text.to_ascii_lowercase())?),
        _ => return Err(None),
    })
}

fn unusable(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > VERSION_BYTES_MAX {
        return Some("it is longer than 512 bytes");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("it holds white space or other characters that versions do not have");
    }
    None
}

/// Fit for a terminal: cut, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.escape_debug().to_string()
}

fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars()
        .take(2 * SHOWN_CHARS_MAX)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> [Ecosystem; 8] {
        [
            "npm",
            "PyPI",
            "Debian:12",
            "Rocky Linux:9",
            "Alpine:v3.20",
            "RubyGems",
            "Packagist",
            "NuGet",
        ]
        .map(Ecosystem::from_osv)
    }

    #[track_caller]
    fn check(ecosystem: &str, a: &str, b: &str, want: Ordering) {
        let ecosystem = Ecosystem::from_osv(ecosystem);
        assert_eq!(compare(&ecosystem, a, b), Ok(want), "{a} {b}");
        assert_eq!(compare(&ecosystem, b, a), Ok(want.reverse()), "{b} {a}");
    }

    #[test]
    fn each_ecosystem_has_its_order() {
        use Ordering::{Equal, Greater, Less};
        check("npm", "1.24.0-beta.1", "1.24.0", Less);
        check("npm", "2025.7.1", "2025.1.14", Greater);
        check("crates.io", "1.0.0+a", "1.0.0+b", Equal);
        check("Go", "v1.4.0", "1.4.0", Equal);
        check("Go", "v0.0.0-20200101000000-abcdef012345", "0.0.0", Less);
        check("PyPI", "1.0.post1", "1.0", Greater);
        check("PyPI", "1.0", "1.0.0", Equal);
        check("PyPI", "2.0rc1", "2.0", Less);
        check("Debian:12", "1.2.3-1~deb7u1", "1.2.3-1", Less);
        check("Ubuntu:22.04:LTS", "1:1.0", "2.0", Greater);
        check("Rocky Linux:9", "1:1.0-1.el9", "2.0-1.el9", Greater);
        check("Rocky Linux:9", "1.0~rc1-1", "1.0-1", Less);
        check("Alpine:v3.20", "1.2.3-r9", "1.2.3-r10", Less);
        check("Alpine:v3.20", "1.2_rc1", "1.2", Less);
        check("Rocky Linux:9", "1.0", "1.0-", Less);
        check("RubyGems", "1.0.0.rc1", "1.0", Less);
        check("Packagist", "1.0.0-RC2", "v1.0", Less);
        check("NuGet", "1.0.0-BETA.2", "1.0.0.0-beta.10", Less);
        check("NuGet", "1.0.0.1", "1.0", Greater);
    }

    #[test]
    fn what_cannot_be_read_has_no_order_and_says_why() {
        for (ecosystem, version, why) in [
            (
                "npm",
                "latest",
                "`latest` is no version of npm: it has no number where one belongs",
            ),
            ("npm", "", "`` is no version of npm: it is empty"),
            (
                "npm",
                "1.0.0 ",
                "`1.0.0 ` is no version of npm: it holds white space or other characters that versions do not have",
            ),
            (
                "Debian:12",
                "1.0_1",
                "`1.0_1` is no version of Debian:12: not an epoch, a version and a revision",
            ),
            (
                "Rocky Linux:9",
                "x:1-1",
                "`x:1-1` is no version of Rocky Linux:9: its epoch is no number",
            ),
            (
                "Maven",
                "1.0",
                "the order of versions of Maven is not known here",
            ),
        ] {
            let error = Version::read(&Ecosystem::from_osv(ecosystem), version).unwrap_err();
            assert_eq!(error.to_string(), why);
        }
        let error = Version::read(&Ecosystem::PyPi, "0.1-bulbasaur").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`0.1-bulbasaur` is no version of PyPI"),
            "{error}"
        );
        let long = "1".repeat(VERSION_BYTES_MAX + 1);
        for ecosystem in all() {
            assert!(Version::read(&ecosystem, &long).is_err());
        }
    }

    /// Pieces from which versions of every ecosystem can be made, good ones and broken ones.
    fn version() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "0",
            "1",
            "2",
            "10",
            "007",
            "99999999999999999999",
            ".",
            ".",
            "-",
            "~",
            "^",
            "+",
            "_",
            ":",
            "!",
            "a",
            "b",
            "rc",
            "rc1",
            "alpha",
            "_alpha",
            "_p",
            "_git2",
            "-r",
            "-r1",
            ".dev1",
            ".post2",
            "-1",
            "el9",
            "v",
        ]);
        prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Reflexive, antisymmetric and transitive, for whatever can be read.
        #[test]
        fn every_order_is_total(a in version(), b in version(), c in version()) {
            for ecosystem in all() {
                let read = |text: &str| Version::read(&ecosystem, text).ok();
                let versions: Vec<Version> = [&a, &b, &c].into_iter().filter_map(|text| read(text)).collect();
                for x in &versions {
                    prop_assert!(x.cmp(x).is_eq(), "{ecosystem}: {x:?}");
                    for y in &versions {
                        prop_assert_eq!(x.cmp(y), y.cmp(x).reverse(), "{}: {:?} {:?}", &ecosystem, x, y);
                        for z in &versions {
                            if x.cmp(y).is_le() && y.cmp(z).is_le() {
                                prop_assert!(x.cmp(z).is_le(), "{ecosystem}: {x:?} {y:?} {z:?}");
                            }
                        }
                    }
                }
            }
        }

        #[test]
        fn no_text_panics(a in ".{0,40}", b in ".{0,40}") {
            for ecosystem in all() {
                let _ = compare(&ecosystem, &a, &b);
            }
        }
    }
}
