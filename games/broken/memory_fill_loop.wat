;; Fills 64 MiB again and again, with few instructions for much work.
(module
  (memory (export "memory") 1024)
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32)
    (loop $again
      (memory.fill (i32.const 65536) (i32.const 1) (i32.const 67043328))
      (br $again))
    (i32.const 0))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game memory_fill_loop\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
