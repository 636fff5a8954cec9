;; Draws lines from one end of the numbers to the other: work must follow the screen, not the line.
(module
  (import "env" "memory" (memory 1))
  (import "env" "line" (func $line (param i32 i32 i32 i32)))
  (import "env" "hline" (func $hline (param i32 i32 i32)))
  (import "env" "vline" (func $vline (param i32 i32 i32)))
  (func (export "update")
    (call $line (i32.const 0x80000000) (i32.const 0x80000000) (i32.const 0x7fffffff) (i32.const 0x7fffffff))
    (call $line (i32.const 0x7fffffff) (i32.const 0x80000000) (i32.const 0x80000000) (i32.const 0x7ffffffe))
    (call $hline (i32.const 0x80000000) (i32.const 80) (i32.const 0xffffffff))
    (call $vline (i32.const 80) (i32.const 0x80000000) (i32.const 0xffffffff))))
