;; Draws the largest sprite that fits the screen a hundred million times.
(module
  (import "env" "memory" (memory 1))
  (import "env" "blit" (func $blit (param i32 i32 i32 i32 i32 i32)))
  (global $left (mut i32) (i32.const 0))
  (func (export "update")
    (global.set $left (i32.const 100000000))
    (loop $again
      (call $blit (i32.const 0x2000) (i32.const 0) (i32.const 0) (i32.const 160) (i32.const 160) (i32.const 1))
      (global.set $left (i32.sub (global.get $left) (i32.const 1)))
      (br_if $again (global.get $left)))))
