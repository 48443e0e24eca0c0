//! Two judges of what `pilothouse generate kubernetes` writes.
//!
//! `judge typed`: a JSON list of objects on standard input, each read as the type of its kind and written again; what is
//! not the same then was not understood. `judge render`: `{"values": …, "templates": {name: text}}`; the texts rendered as
//! a chart's are, by a Go-template engine that knows no functions of Helm.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::process::ExitCode;

use gtmpl_ng::Value as Go;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

fn main() -> ExitCode {
    let mut text = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut text) {
        return failed(&error.to_string());
    }
    let input: Json = match serde_json::from_str(&text) {
        Ok(input) => input,
        Err(error) => return failed(&error.to_string()),
    };
    match std::env::args().nth(1).as_deref() {
        Some("typed") => typed(&input),
        Some("render") => render(&input),
        _ => failed("judge typed|render"),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn typed(objects: &Json) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for object in objects.as_array().into_iter().flatten() {
        let kind = object["kind"].as_str().unwrap_or_default();
        let back = match kind {
            "ConfigMap" => again::<ConfigMap>(object),
            "Deployment" => again::<Deployment>(object),
            "HorizontalPodAutoscaler" => again::<HorizontalPodAutoscaler>(object),
            "NetworkPolicy" => again::<NetworkPolicy>(object),
            "PodDisruptionBudget" => again::<PodDisruptionBudget>(object),
            "Service" => again::<Service>(object),
            other => Err(format!("no type is known for {other}")),
        };
        match back {
            Ok(back) if back == *object => println!("{kind} read"),
            Ok(back) => code = failed(&format!("{kind}: read as\n{back:#}\nout of\n{object:#}")),
            Err(error) => code = failed(&format!("{kind}: {error}")),
        }
    }
    code
}

fn again<T: DeserializeOwned + Serialize>(object: &Json) -> Result<Json, String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|e| e.to_string())?;
    serde_json::to_value(typed).map_err(|e| e.to_string())
}

fn render(input: &Json) -> ExitCode {
    let context = Go::Map(HashMap::from([("Values".to_owned(), go(&input["values"]))]));
    let mut rendered = BTreeMap::new();
    for (name, text) in input["templates"].as_object().into_iter().flatten() {
        let text = text.as_str().unwrap_or_default();
        match gtmpl_ng::template(text, context.clone()) {
            Ok(done) => rendered.insert(name, done),
            Err(error) => return failed(&format!("{name}: {error}")),
        };
    }
    match serde_json::to_string(&rendered) {
        Ok(json) => println!("{json}"),
        Err(error) => return failed(&error.to_string()),
    }
    ExitCode::SUCCESS
}

fn go(json: &Json) -> Go {
    match json {
        Json::Null => Go::Nil,
        Json::Bool(truth) => Go::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Go::from(whole),
            None => Go::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Go::String(text.clone()),
        Json::Array(items) => Go::Array(items.iter().map(go).collect()),
        Json::Object(map) => {
            let pairs = map.iter().map(|(key, value)| (key.clone(), go(value)));
            Go::Map(pairs.collect())
        }
    }
}
