//! Sources of servers in, places out.

mod bounds;
mod javascript;
mod python;
mod rust;

use ph_exposure::{Exposure, Level, SourceFile, Wanted, exposure};

fn look(files: &[(&str, &str)], wanted: &Wanted) -> Exposure {
    let files: Vec<_> = files
        .iter()
        .map(|&(path, text)| SourceFile { path, text })
        .collect();
    exposure(&files, wanted)
}

fn lodash() -> Wanted {
    Wanted::package("npm", "lodash", vec!["merge".into(), "defaultsDeep".into()])
}

/// The places as `file:line level symbol [tool way input]`.
fn shown(exposure: &Exposure) -> Vec<String> {
    let level = |level: Level| match level {
        Level::Present => "present",
        Level::Imported => "imported",
        Level::SymbolUsed => "used",
        Level::Reachable => "reachable",
        Level::Seen => "seen",
    };
    let one = |place: &ph_exposure::Use| {
        let mut line = format!("{}:{} {}", place.file, place.line, level(place.level));
        if !place.symbol.is_empty() {
            line.push_str(&format!(" {}", place.symbol));
        }
        for reach in &place.reach {
            let input = if reach.takes_input { " input" } else { "" };
            line.push_str(&format!(" [{} {}{input}]", reach.tool, reach.way.join(">")));
        }
        line
    };
    exposure.uses.iter().map(one).collect()
}
