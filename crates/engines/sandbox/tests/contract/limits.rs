//! Limits that every driver enforces.

use sandbox::{FunctionError, Isolation};

use crate::bench::{Bench, event};

pub async fn kills_when_memory_is_exceeded(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[(
        "app.py",
        "def handler(event, context):\n    kept = []\n    while True:\n        kept.append(b'x' * (1 << 20))\n",
    )]);
    let mut spec = bench.spec("python3.12", "app.handler", code);
    spec.memory_mb = 128;
    let environment = bench.start(spec).await;
    let outcome = environment.invoke(event("{}")).await;
    assert!(matches!(outcome.result, Err(FunctionError::OutOfMemory)), "{:?}", outcome.result);
    assert!(!outcome.reusable);
    assert_eq!(outcome.max_memory_mb, 128);
}
