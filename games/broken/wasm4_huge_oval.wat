;; Draws ovals and rectangles as large as the numbers allow.
(module
  (import "env" "memory" (memory 1))
  (import "env" "oval" (func $oval (param i32 i32 i32 i32)))
  (import "env" "rect" (func $rect (param i32 i32 i32 i32)))
  (func (export "update")
    (call $oval (i32.const 0x80000000) (i32.const 0x80000000) (i32.const 0xffffffff) (i32.const 0xffffffff))
    (call $oval (i32.const -1000000) (i32.const -1000000) (i32.const 2000000) (i32.const 2000000))
    (call $rect (i32.const 0x80000000) (i32.const 0x7fffffff) (i32.const 0xffffffff) (i32.const 0xffffffff))))
