//! What Grafana reads: dashboards of schema version 42, as much of them as is used here.

use serde::{Serialize, Serializer};

/// A dashboard.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dashboard {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: String,
    pub(super) tags: Vec<&'static str>,
    pub(super) schema_version: u32,
    pub(super) editable: bool,
    /// 1: the pointer is shown in all panels.
    pub(super) graph_tooltip: u32,
    pub(super) refresh: &'static str,
    pub(super) time: Time,
    pub(super) timezone: &'static str,
    pub(super) links: Vec<Link>,
    pub(super) templating: Templating,
    pub(super) panels: Vec<Panel>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Time {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// To the other dashboards, with the time and the variables of this one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    pub(super) title: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) tags: Vec<&'static str>,
    pub(super) as_dropdown: bool,
    pub(super) icon: &'static str,
    pub(super) include_vars: bool,
    pub(super) keep_time: bool,
    pub(super) target_blank: bool,
    pub(super) tooltip: &'static str,
    pub(super) url: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Templating {
    pub(super) list: Vec<Variable>,
}

/// A variable. Fields that a kind does not have are left out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// 0: with its label.
    pub(super) hide: u32,
    pub(super) include_all: bool,
    pub(super) multi: bool,
    /// 1: when the dashboard is opened; 2: also when its time changes.
    pub(super) refresh: u32,
    pub(super) regex: &'static str,
    pub(super) query: VariableQuery,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) datasource: Option<DataSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) all_value: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<Current>,
    /// 1: by name.
    pub(super) sort: u32,
    pub(super) options: Vec<Current>,
}

/// The kind of data sources, or what values are asked for.
#[derive(Clone, Debug)]
pub(super) enum VariableQuery {
    Plugin(&'static str),
    Labels(LabelQuery),
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LabelQuery {
    pub(super) query: String,
    pub(super) ref_id: &'static str,
}

/// Which it is shows by its form alone.
impl Serialize for VariableQuery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plugin(name) => name.serialize(serializer),
            Self::Labels(query) => query.serialize(serializer),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Current {
    pub(super) selected: bool,
    pub(super) text: &'static str,
    pub(super) value: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct DataSource {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) uid: &'static str,
}

/// A panel, or a row of them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Panel {
    pub(super) id: u32,
    pub(super) title: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) grid_pos: GridPos,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) datasource: Option<DataSource>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field_config: Option<FieldConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<Options>,
    /// Of a row: whether it is folded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) collapsed: Option<bool>,
    /// Of a row: the panels that are folded into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) panels: Option<Vec<Panel>>,
}

/// Place, in units of a 24th of the width.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct GridPos {
    pub(super) h: u32,
    pub(super) w: u32,
    pub(super) x: u32,
    pub(super) y: u32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    pub(super) ref_id: String,
    pub(super) datasource: DataSource,
    pub(super) editor_mode: &'static str,
    pub(super) expr: String,
    pub(super) legend_format: &'static str,
    pub(super) exemplar: bool,
    pub(super) instant: bool,
    pub(super) range: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct FieldConfig {
    pub(super) defaults: Defaults,
    pub(super) overrides: [u8; 0],
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Defaults {
    pub(super) unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decimals: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<f64>,
    /// Shown where there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) no_value: Option<&'static str>,
    pub(super) color: Color,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thresholds: Option<Thresholds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom: Option<Custom>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Color {
    pub(super) mode: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Thresholds {
    pub(super) mode: &'static str,
    pub(super) steps: Vec<Step>,
}

/// The colour from a value on; `None` is the colour below all.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Step {
    pub(super) color: &'static str,
    pub(super) value: Option<f64>,
}

/// How lines are drawn.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Custom {
    pub(super) draw_style: &'static str,
    pub(super) line_width: u32,
    pub(super) fill_opacity: u32,
    pub(super) show_points: &'static str,
    /// Milliseconds without data that are bridged.
    pub(super) span_nulls: bool,
    pub(super) stacking: Stacking,
    pub(super) thresholds_style: ThresholdsStyle,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Stacking {
    pub(super) group: &'static str,
    pub(super) mode: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ThresholdsStyle {
    pub(super) mode: &'static str,
}

/// Of one kind of panel, which says which these are.
#[derive(Clone, Debug)]
pub(super) enum Options {
    TimeSeries(TimeSeries),
    Stat(Stat),
    BarGauge(BarGauge),
}

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::TimeSeries(options) => options.serialize(serializer),
            Self::Stat(options) => options.serialize(serializer),
            Self::BarGauge(options) => options.serialize(serializer),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeSeries {
    pub(super) legend: Legend,
    pub(super) tooltip: Tooltip,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stat {
    pub(super) color_mode: &'static str,
    pub(super) graph_mode: &'static str,
    pub(super) justify_mode: &'static str,
    pub(super) orientation: &'static str,
    pub(super) reduce_options: Reduce,
    pub(super) text_mode: &'static str,
    pub(super) wide_layout: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BarGauge {
    pub(super) display_mode: &'static str,
    pub(super) min_viz_height: u32,
    pub(super) min_viz_width: u32,
    pub(super) orientation: &'static str,
    pub(super) reduce_options: Reduce,
    pub(super) show_unfilled: bool,
    pub(super) value_mode: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Legend {
    pub(super) calcs: Vec<&'static str>,
    pub(super) display_mode: &'static str,
    pub(super) placement: &'static str,
    pub(super) show_legend: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Tooltip {
    pub(super) mode: &'static str,
    pub(super) sort: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Reduce {
    pub(super) calcs: Vec<&'static str>,
    pub(super) fields: &'static str,
    pub(super) values: bool,
}
