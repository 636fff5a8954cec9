;; A console function declared with a 64-bit result: it gives the number it gives, and a missing one is 0.
(module
  (import "env" "memory" (memory 1))
  (import "env" "diskr" (func $diskr (param i32 i32) (result i64)))
  (import "env" "trace" (func $trace (param i32) (result f64)))
  (func (export "update")
    (if (i64.ne (call $diskr (i32.const 0) (i32.const 0)) (i64.const 0)) (then unreachable))
    (if (f64.ne (call $trace (i32.const 0)) (f64.const 0)) (then unreachable))))
