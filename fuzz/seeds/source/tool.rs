use m::{f, g as h};
#[tool(name = "x")]
fn x(a: A) { let b = a; m::f(b); h(1) }
