;; Draws a text whose last byte lies past the end of memory: the tick must end before anything is drawn.
(module
  (import "env" "memory" (memory 1))
  (import "env" "textUtf8" (func $text (param i32 i32 i32 i32)))
  (data (i32.const 65530) "no end")
  (func (export "update")
    (call $text (i32.const 65530) (i32.const 7) (i32.const 0) (i32.const 0))))
