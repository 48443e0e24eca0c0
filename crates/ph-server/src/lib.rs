//! Assembly: from a plan builds everything; start, reload and stop order.
