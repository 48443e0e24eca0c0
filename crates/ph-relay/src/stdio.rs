//! placeholder
use crate::inbound::Client;
use crate::shared::Shared;
use bytes::Bytes;
use http::Response;
use ph_mcp::envelope::Body as RpcBody;
use ph_record::Server;
use ph_wire::body::Body;
use std::sync::Arc;
pub(crate) struct StdioServer;
impl StdioServer {
    pub(crate) fn new(_s: Arc<Shared>, _server: Arc<Server>, _p: &ph_plan::Server, _x: &ph_plan::Stdio, _w: &ph_plan::Plan) -> Arc<Self> { Arc::new(Self) }
    pub(crate) fn start(self: &Arc<Self>) {}
    pub(crate) fn sweep(&self, _i: std::time::Duration) {}
    pub(crate) async fn check(&self, _l: std::time::Duration) -> crate::health::Finding { (ph_record::HealthResult::Ok, None) }
    pub(crate) fn retire(&self) {}
    pub(crate) async fn stopped(&self) {}
    pub(crate) async fn post(self: Arc<Self>, _c: Client, _b: Bytes, _r: RpcBody<'_>) -> Response<Body> { Response::new(Body::Empty) }
    pub(crate) async fn get(self: Arc<Self>, _c: Client) -> Response<Body> { Response::new(Body::Empty) }
    pub(crate) async fn delete(self: Arc<Self>, _c: Client) -> Response<Body> { Response::new(Body::Empty) }
}
