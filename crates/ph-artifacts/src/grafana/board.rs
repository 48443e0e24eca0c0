//! Panels, put into rows from left to right; and what all dashboards have in common.

use super::model::{
    BarGauge, Color, Current, Custom, Dashboard, DataSource, Defaults, FieldConfig, GridPos,
    LabelQuery, Legend, Link, Options, Panel, Reduce, Stacking, Stat, Step, Target, Templating,
    Thresholds, ThresholdsStyle, Time, TimeSeries, Tooltip, Variable, VariableQuery,
};
use crate::file::MARK;

/// The data source that is chosen above the panels.
const CHOSEN: DataSource = DataSource {
    kind: "prometheus",
    uid: "${datasource}",
};
const WIDTH: u32 = 24;
const TAG: &str = "pilothouse";

/// A dashboard that is being made.
pub(super) struct Board {
    dashboard: Dashboard,
    x: u32,
    y: u32,
    /// Height of the row of panels that is being filled.
    height: u32,
}

/// What a panel shows, before it has a place.
pub(super) struct Chart {
    title: &'static str,
    description: String,
    kind: Kind,
    width: u32,
    height: u32,
    defaults: Defaults,
    queries: Vec<Target>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lines,
    Stacked,
    Stat,
    Bars,
}

impl Board {
    /// - `about`: a sentence or two.
    /// - `metric`: one that every instance has; the variables are made of its labels.
    pub(super) fn new(
        uid: &'static str,
        title: &'static str,
        about: &str,
        metric: &str,
        from: &'static str,
    ) -> Self {
        Self {
            dashboard: Dashboard {
                uid,
                title,
                description: format!(
                    "{about} Written by `{MARK} grafana`; changes belong in a copy."
                ),
                tags: vec![TAG, "mcp"],
                schema_version: 42,
                editable: false,
                graph_tooltip: 1,
                refresh: "30s",
                time: Time { from, to: "now" },
                timezone: "browser",
                links: vec![others()],
                templating: Templating {
                    list: vec![
                        data_source(),
                        labels("job", "Job", format!("label_values({metric}, job)")),
                        labels(
                            "instance",
                            "Instance",
                            format!("label_values({metric}{{job=~\"$job\"}}, instance)"),
                        ),
                    ],
                },
                panels: Vec::new(),
            },
            x: 0,
            y: 0,
            height: 0,
        }
    }

    /// A further variable: the values of a label of a metric that has it.
    pub(super) fn variable(
        mut self,
        name: &'static str,
        label: &'static str,
        metric: &str,
    ) -> Self {
        let selector = format!("{metric}{{job=~\"$job\", instance=~\"$instance\"}}");
        let query = format!("label_values({selector}, {name})");
        self.dashboard
            .templating
            .list
            .push(labels(name, label, query));
        self
    }

    /// Begins a row with a heading.
    pub(super) fn row(&mut self, title: &'static str) {
        self.break_line();
        let panel = Panel {
            id: self.next_id(),
            title,
            kind: "row",
            description: None,
            grid_pos: GridPos {
                h: 1,
                w: WIDTH,
                x: 0,
                y: self.y,
            },
            datasource: None,
            targets: Vec::new(),
            field_config: None,
            options: None,
            collapsed: Some(false),
            panels: Some(Vec::new()),
        };
        self.dashboard.panels.push(panel);
        self.y += 1;
    }

    pub(super) fn add(&mut self, chart: Chart) {
        if self.x + chart.width > WIDTH {
            self.break_line();
        }
        let grid_pos = GridPos {
            h: chart.height,
            w: chart.width,
            x: self.x,
            y: self.y,
        };
        self.x += chart.width;
        self.height = self.height.max(chart.height);
        let panel = chart.panel(self.next_id(), grid_pos);
        self.dashboard.panels.push(panel);
    }

    pub(super) fn done(self) -> Dashboard {
        self.dashboard
    }

    fn break_line(&mut self) {
        self.y += self.height;
        (self.x, self.height) = (0, 0);
    }

    fn next_id(&self) -> u32 {
        self.dashboard.panels.len() as u32 + 1
    }
}

impl Chart {
    /// Lines over time.
    pub(super) fn lines(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self::new(Kind::Lines, title, unit, description, (12, 8))
    }

    /// Areas over time, one upon the other.
    pub(super) fn stacked(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self::new(Kind::Stacked, title, unit, description, (12, 8))
    }

    /// The number of now.
    pub(super) fn stat(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self::new(Kind::Stat, title, unit, description, (4, 4))
    }

    /// A bar for each series of now.
    pub(super) fn bars(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self::new(Kind::Bars, title, unit, description, (12, 8))
    }

    fn new(
        kind: Kind,
        title: &'static str,
        unit: &'static str,
        description: &str,
        (width, height): (u32, u32),
    ) -> Self {
        let is_of_now = matches!(kind, Kind::Stat | Kind::Bars);
        Self {
            title,
            description: description.to_owned(),
            kind,
            width,
            height,
            defaults: Defaults {
                unit,
                color: Color {
                    mode: if is_of_now {
                        "thresholds"
                    } else {
                        "palette-classic"
                    },
                },
                no_value: is_of_now.then_some("no data"),
                thresholds: is_of_now.then(|| thresholds(vec![step("text", None)])),
                custom: (!is_of_now).then(|| custom(kind)),
                ..Defaults::default()
            },
            queries: Vec::new(),
        }
    }

    /// A query; the legend may name labels as `{{label}}`.
    pub(super) fn query(self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.target(expr.into(), legend, false)
    }

    /// A query whose exemplars are shown, too.
    pub(super) fn query_with_exemplars(
        self,
        expr: impl Into<String>,
        legend: &'static str,
    ) -> Self {
        self.target(expr.into(), legend, true)
    }

    pub(super) fn size(mut self, width: u32, height: u32) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    pub(super) fn decimals(mut self, decimals: u32) -> Self {
        self.defaults.decimals = Some(decimals);
        self
    }

    pub(super) fn between(mut self, min: f64, max: Option<f64>) -> Self {
        self.defaults.min = Some(min);
        self.defaults.max = max;
        self
    }

    /// Colours from values on; the first is below all. Lines show them as dashes.
    pub(super) fn colours(mut self, below: &'static str, steps: &[(f64, &'static str)]) -> Self {
        let mut all = vec![step(below, None)];
        all.extend(steps.iter().map(|(from, color)| step(color, Some(*from))));
        self.defaults.thresholds = Some(thresholds(all));
        if let Some(custom) = &mut self.defaults.custom {
            custom.thresholds_style = ThresholdsStyle { mode: "dashed" };
        }
        self
    }

    fn target(mut self, expr: String, legend: &'static str, exemplar: bool) -> Self {
        let is_of_now = matches!(self.kind, Kind::Stat | Kind::Bars);
        let letter = char::from(b'A' + self.queries.len() as u8);
        self.queries.push(Target {
            ref_id: letter.into(),
            datasource: CHOSEN,
            editor_mode: "code",
            expr,
            legend_format: legend,
            exemplar,
            instant: is_of_now,
            range: !is_of_now,
        });
        self
    }

    fn panel(self, id: u32, grid_pos: GridPos) -> Panel {
        Panel {
            id,
            title: self.title,
            kind: match self.kind {
                Kind::Lines | Kind::Stacked => "timeseries",
                Kind::Stat => "stat",
                Kind::Bars => "bargauge",
            },
            description: Some(self.description),
            grid_pos,
            datasource: Some(CHOSEN),
            targets: self.queries,
            field_config: Some(FieldConfig {
                defaults: self.defaults,
                overrides: [],
            }),
            options: Some(options(self.kind)),
            collapsed: None,
            panels: None,
        }
    }
}

fn options(kind: Kind) -> Options {
    let last = || Reduce {
        calcs: vec!["lastNotNull"],
        fields: "",
        values: false,
    };
    match kind {
        Kind::Lines | Kind::Stacked => Options::TimeSeries(TimeSeries {
            legend: Legend {
                calcs: vec!["lastNotNull", "max"],
                display_mode: "table",
                placement: "bottom",
                show_legend: true,
            },
            tooltip: Tooltip {
                mode: "multi",
                sort: "desc",
            },
        }),
        Kind::Stat => Options::Stat(Stat {
            color_mode: "background",
            graph_mode: "none",
            justify_mode: "auto",
            orientation: "auto",
            reduce_options: last(),
            text_mode: "auto",
            wide_layout: true,
        }),
        Kind::Bars => Options::BarGauge(BarGauge {
            display_mode: "basic",
            min_viz_height: 16,
            min_viz_width: 8,
            orientation: "horizontal",
            reduce_options: last(),
            show_unfilled: true,
            value_mode: "color",
        }),
    }
}

fn custom(kind: Kind) -> Custom {
    let is_stacked = kind == Kind::Stacked;
    Custom {
        draw_style: "line",
        line_width: 1,
        fill_opacity: if is_stacked { 40 } else { 8 },
        show_points: "never",
        span_nulls: false,
        stacking: Stacking {
            group: "A",
            mode: if is_stacked { "normal" } else { "none" },
        },
        thresholds_style: ThresholdsStyle { mode: "off" },
    }
}

fn thresholds(steps: Vec<Step>) -> Thresholds {
    Thresholds {
        mode: "absolute",
        steps,
    }
}

fn step(color: &'static str, value: Option<f64>) -> Step {
    Step { color, value }
}

fn others() -> Link {
    Link {
        title: "Pilothouse",
        kind: "dashboards",
        tags: vec![TAG],
        as_dropdown: true,
        icon: "external link",
        include_vars: true,
        keep_time: true,
        target_blank: false,
        tooltip: "",
        url: "",
    }
}

fn data_source() -> Variable {
    Variable {
        name: "datasource",
        label: "Data source",
        kind: "datasource",
        hide: 0,
        include_all: false,
        multi: false,
        refresh: 1,
        regex: "",
        query: VariableQuery::Plugin("prometheus"),
        datasource: None,
        all_value: None,
        current: None,
        sort: 0,
        options: Vec::new(),
    }
}

/// All values are `.+`: a series without the label is none of ours.
fn labels(name: &'static str, label: &'static str, query: String) -> Variable {
    Variable {
        name,
        label,
        kind: "query",
        hide: 0,
        include_all: true,
        multi: true,
        refresh: 2,
        regex: "",
        query: VariableQuery::Labels(LabelQuery {
            query,
            ref_id: "StandardVariableQuery",
        }),
        datasource: Some(CHOSEN),
        all_value: Some(".+"),
        current: Some(Current {
            selected: true,
            text: "All",
            value: "$__all",
        }),
        sort: 1,
        options: Vec::new(),
    }
}
