;; A cart that draws at random, to hold two implementations of the WASM-4 console against each other: 120 calls a
;; tick of every function that draws, with coordinates from all 32-bit numbers, random draw colours and flags, and
;; sprites and text anywhere in memory, the framebuffer included. Eight bytes of disk are the seed. Nothing it does
;; is out of bounds or above a limit.
(module
  (import "env" "memory" (memory 1))
  (import "env" "blit" (func $blit (param i32 i32 i32 i32 i32 i32)))
  (import "env" "blitSub" (func $blitSub (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "env" "line" (func $line (param i32 i32 i32 i32)))
  (import "env" "hline" (func $hline (param i32 i32 i32)))
  (import "env" "vline" (func $vline (param i32 i32 i32)))
  (import "env" "oval" (func $oval (param i32 i32 i32 i32)))
  (import "env" "rect" (func $rect (param i32 i32 i32 i32)))
  (import "env" "text" (func $text (param i32 i32 i32)))
  (import "env" "textUtf8" (func $textUtf8 (param i32 i32 i32 i32)))
  (import "env" "textUtf16" (func $textUtf16 (param i32 i32 i32 i32)))
  (import "env" "tone" (func $tone (param i32 i32 i32 i32)))
  (import "env" "trace" (func $trace (param i32)))
  (import "env" "traceUtf8" (func $traceUtf8 (param i32 i32)))
  (import "env" "traceUtf16" (func $traceUtf16 (param i32 i32)))
  (import "env" "diskr" (func $diskr (param i32 i32) (result i32)))
  (import "env" "diskw" (func $diskw (param i32 i32) (result i32)))
  (global $random (mut i64) (i64.const 0))

  ;; 32 random bits: the upper half of a linear congruence.
  (func $next (result i32)
    (global.set $random
      (i64.add (i64.mul (global.get $random) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
    (i32.wrap_i64 (i64.shr_u (global.get $random) (i64.const 32))))

  ;; A random number from $low up to but not including $high.
  (func $between (param $low i32) (param $high i32) (result i32)
    (i32.add (local.get $low) (i32.rem_u (call $next) (i32.sub (local.get $high) (local.get $low)))))

  ;; A coordinate or a size: mostly around the screen, at times any number or one at the end of the range.
  (func $number (result i32)
    (local $kind i32)
    (local.set $kind (call $between (i32.const 0) (i32.const 10)))
    (if (i32.lt_u (local.get $kind) (i32.const 5))
      (then (return (call $between (i32.const -40) (i32.const 200)))))
    (if (i32.eq (local.get $kind) (i32.const 5))
      (then (return (call $between (i32.const -8) (i32.const 9)))))
    (if (i32.eq (local.get $kind) (i32.const 6))
      (then (return (call $between (i32.const -100000) (i32.const 100000)))))
    (if (i32.eq (local.get $kind) (i32.const 7))
      (then (return (i32.add (i32.const 0x7fffffff) (call $between (i32.const -200) (i32.const 200))))))
    (call $next))

  ;; A size that leads from a coordinate to the screen's surroundings, or the other end of a line through them; at
  ;; times any other.
  (func $towards (param $from i32) (result i32)
    (if (i32.and (call $next) (i32.const 3))
      (then (return (i32.sub (call $between (i32.const -40) (i32.const 300)) (local.get $from)))))
    (call $number))

  ;; A size that an oval may have.
  (func $diameter (result i32)
    (if (i32.and (call $next) (i32.const 3))
      (then (return (call $between (i32.const -9) (i32.const 200)))))
    (call $between (i32.const -8192) (i32.const 8193)))

  ;; An address of something to read: anywhere, in or near the framebuffer, or near the end of memory.
  (func $address (result i32)
    (local $kind i32)
    (local.set $kind (i32.and (call $next) (i32.const 7)))
    (if (i32.eqz (local.get $kind))
      (then (return (call $between (i32.const 0xff00) (i32.const 0x10001)))))
    (if (i32.lt_u (local.get $kind) (i32.const 3))
      (then (return (call $between (i32.const 0x80) (i32.const 0x1a00)))))
    (call $between (i32.const 0) (i32.const 0x10001)))

  ;; A length from 0 to 600 that fits between $address and the end of memory.
  (func $length (param $address i32) (result i32)
    (i32.rem_u (call $between (i32.const 0) (i32.const 601))
      (i32.sub (i32.const 0x10001) (local.get $address))))

  (func (export "start")
    (local $at i32)
    (drop (call $diskr (i32.const 0x2000) (i32.const 8)))
    (global.set $random (i64.load (i32.const 0x2000)))
    (local.set $at (i32.const 0x19a0))
    (loop $again
      (i32.store8 (local.get $at) (call $next))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      ;; The last byte stays zero and ends every text.
      (br_if $again (i32.lt_u (local.get $at) (i32.const 0xffff)))))

  (func (export "update")
    (local $left i32)
    ;; What was drawn stays, but for one tick in eight.
    (i32.store8 (i32.const 0x1f) (i32.ne (i32.and (call $next) (i32.const 7)) (i32.const 0)))
    (local.set $left (i32.const 120))
    (loop $again
      (i32.store16 (i32.const 0x14) (call $next))
      (call $draw)
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (if (i32.eqz (i32.and (call $next) (i32.const 15))) (then (call $speak))))

  (func $draw
    (local $address i32) (local $x i32) (local $y i32)
    (local.set $address (call $address))
    (local.set $x (call $number))
    (local.set $y (call $number))
    (block $utf16 (block $utf8 (block $text (block $rect (block $oval (block $vline (block $hline (block $line
    (block $sub (block $blit
      (br_table $blit $blit $blit $sub $sub $sub $line $line $hline $vline $oval $oval $rect $text $utf8 $utf16
        (i32.and (call $next) (i32.const 15))))
      ;; blit
      (call $blit (local.get $address) (local.get $x) (local.get $y)
        (call $towards (local.get $x)) (call $towards (local.get $y)) (call $next))
      (return))
      ;; blitSub
      (call $blitSub (local.get $address) (local.get $x) (local.get $y)
        (call $towards (local.get $x)) (call $towards (local.get $y))
        (call $number) (call $number) (call $number) (call $next))
      (return))
      ;; line
      (call $line (local.get $x) (local.get $y) (call $towards (local.get $x)) (call $towards (local.get $y)))
      (return))
      ;; hline
      (call $hline (local.get $x) (local.get $y) (call $towards (local.get $x)))
      (return))
      ;; vline
      (call $vline (local.get $x) (local.get $y) (call $towards (local.get $y)))
      (return))
      ;; oval
      (call $oval (local.get $x) (local.get $y) (call $diameter) (call $diameter))
      (return))
      ;; rect
      (call $rect (local.get $x) (local.get $y) (call $towards (local.get $x)) (call $towards (local.get $y)))
      (return))
      ;; text
      (call $text (local.get $address) (local.get $x) (local.get $y))
      (return))
      ;; textUtf8
      (call $textUtf8 (local.get $address) (call $length (local.get $address)) (local.get $x) (local.get $y))
      (return))
    ;; textUtf16, whose address is even
    (local.set $address (i32.and (local.get $address) (i32.const -2)))
    (call $textUtf16 (local.get $address) (call $length (local.get $address)) (local.get $x) (local.get $y)))

  ;; What does not draw: marks, within the limits of a tick and above them, and the disk.
  (func $speak
    (local $address i32)
    (local.set $address (call $address))
    (call $tone (call $next) (call $next) (call $next) (call $next))
    (call $trace (call $between (i32.const 0) (i32.const 0x10000)))
    (call $traceUtf8 (local.get $address) (call $length (local.get $address)))
    (call $traceUtf16 (local.get $address) (call $length (local.get $address)))
    (drop (call $diskw
      (call $between (i32.const 0) (i32.const 0xfc01)) (call $between (i32.const 0) (i32.const 2000))))
    (drop (call $diskr
      (call $between (i32.const 0x2000) (i32.const 0xf000)) (call $between (i32.const 0) (i32.const 2000))))))
