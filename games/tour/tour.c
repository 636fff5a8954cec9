/* Tour: four ships collect dots, in three scenes that between them call every function of the WASM-4
 * console and read all of its inputs. Different inputs lead to different states, and to different disks. */

#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(blit)
void blit(const uint8_t *sprite, int32_t x, int32_t y, uint32_t width, uint32_t height, uint32_t flags);
IMPORT(blitSub)
void blitSub(const uint8_t *sprite, int32_t x, int32_t y, uint32_t width, uint32_t height, uint32_t source_x,
             uint32_t source_y, uint32_t stride, uint32_t flags);
IMPORT(line) void line(int32_t x1, int32_t y1, int32_t x2, int32_t y2);
IMPORT(hline) void hline(int32_t x, int32_t y, uint32_t length);
IMPORT(vline) void vline(int32_t x, int32_t y, uint32_t length);
IMPORT(oval) void oval(int32_t x, int32_t y, uint32_t width, uint32_t height);
IMPORT(rect) void rect(int32_t x, int32_t y, uint32_t width, uint32_t height);
IMPORT(text) void text(const char *text, int32_t x, int32_t y);
IMPORT(textUtf8) void text_utf8(const uint8_t *text, uint32_t bytes, int32_t x, int32_t y);
IMPORT(textUtf16) void text_utf16(const uint16_t *text, uint32_t bytes, int32_t x, int32_t y);
IMPORT(tone) void tone(uint32_t frequency, uint32_t duration, uint32_t volume, uint32_t flags);
IMPORT(diskr) uint32_t diskr(void *to, uint32_t bytes);
IMPORT(diskw) uint32_t diskw(const void *from, uint32_t bytes);
IMPORT(trace) void trace(const char *text);
IMPORT(traceUtf8) void trace_utf8(const uint8_t *text, uint32_t bytes);
IMPORT(traceUtf16) void trace_utf16(const uint16_t *text, uint32_t bytes);
IMPORT(tracef) void tracef(const char *format, ...);

#define PALETTE ((volatile uint32_t *)0x04)
#define DRAW_COLORS (*(volatile uint16_t *)0x14)
#define PADS ((const volatile uint8_t *)0x16)
#define MOUSE_X (*(const volatile int16_t *)0x1a)
#define MOUSE_Y (*(const volatile int16_t *)0x1c)
#define MOUSE_BUTTONS (*(const volatile uint8_t *)0x1e)
#define SYSTEM_FLAGS (*(volatile uint8_t *)0x1f)

enum { BUTTON_1 = 1, BUTTON_2 = 2, LEFT = 16, RIGHT = 32, UP = 64, DOWN = 128 };
enum { TWO_BITS = 1, FLIP_X = 2, FLIP_Y = 4, ROTATE = 8, ALL_FLAGS = 16 };
enum { PRESERVE = 1 };
enum { SIZE = 160, SHIPS = 4, DOTS = 6, SCENES = 3, SCENE_TICKS = 480 };

/* Positions are in quarters of a pixel. */
enum { QUARTERS = 4, SPEED_MAX = 8 };

struct ship {
    int32_t x, y, vx, vy;
    uint32_t score;
};

struct dot {
    int32_t x, y;
};

static struct ship ships[SHIPS];
static struct dot dots[DOTS];
static uint32_t random_state, tick, scene, best;
static uint8_t held_before[SHIPS];

/* An arrow, so that flips and turns can be told apart. */
static const uint8_t ARROW_ONE_BIT[8] = {0x18, 0x3c, 0x7e, 0xff, 0x18, 0x18, 0x1e, 0x1e};
static const uint8_t ARROW_TWO_BITS[16] = {0x01, 0x40, 0x06, 0x90, 0x1b, 0xe4, 0x6f, 0xf9,
                                           0x01, 0x40, 0x01, 0x40, 0x01, 0x54, 0x01, 0x54};

static const uint32_t PALETTES[SCENES][4] = {
    {0x10142c, 0x3c5aa8, 0xf2b63c, 0xf4f1e4},
    {0x1c0f24, 0x7a2e62, 0xe8694a, 0xffe9b0},
    {0x0c2424, 0x226b5c, 0x8fd06a, 0xf0ffd8},
};

static const uint16_t GALLERY[] = {'G', 'a', 'l', 'l', 'e', 'r', 'y', ' ', 0x00e9};
static const uint16_t NEW_BEST[] = {'b', 'e', 's', 't', ' ', 0x2605};

static uint32_t next_random(uint32_t bound) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 16) % bound;
}

static void place(struct dot *dot) {
    dot->x = (int32_t)next_random(SIZE - 24) + 12;
    dot->y = (int32_t)next_random(SIZE - 40) + 20;
}

static void enter(uint32_t next) {
    scene = next % SCENES;
    for (int i = 0; i < 4; i++) PALETTE[i] = PALETTES[scene][i];
    SYSTEM_FLAGS = scene == 1 ? PRESERVE : 0;
    if (scene == 0) trace("the yard");
    /* The length counts, not the end of the text. */
    if (scene == 1) trace_utf8((const uint8_t *)"the canvas, unlit", 10);
    if (scene == 2) trace_utf16(GALLERY, sizeof GALLERY);
    tone(220u + 110u * scene, 20u | 8u << 8, 60, scene);
}

EXPORT(start) void start(void) {
    random_state = 2463534242u;
    if (diskr(&best, sizeof best) != sizeof best) best = 0;
    for (int i = 0; i < SHIPS; i++) {
        ships[i].x = (30 + 33 * i) * QUARTERS;
        ships[i].y = 80 * QUARTERS;
    }
    for (int i = 0; i < DOTS; i++) place(&dots[i]);
    enter(0);
}

static int32_t slowed(int32_t speed) {
    if (speed > SPEED_MAX) return SPEED_MAX;
    if (speed < -SPEED_MAX) return -SPEED_MAX;
    return speed > 0 ? speed - (tick & 1) : speed + (speed < 0 && (tick & 1));
}

static int32_t around(int32_t place) {
    int32_t end = SIZE * QUARTERS;
    return place < 0 ? place + end : place >= end ? place - end : place;
}

static void collect(struct ship *ship, struct dot *dot) {
    int32_t dx = ship->x / QUARTERS - dot->x, dy = ship->y / QUARTERS - dot->y;
    if (dx * dx + dy * dy > 64) return;
    ship->score++;
    place(dot);
    tone(500u + 20u * ship->score | 900u << 16, 6, 50u | 80u << 8, 1);
    if (ship->score <= best) return;
    best = ship->score;
    diskw(&best, sizeof best);
    trace_utf16(NEW_BEST, sizeof NEW_BEST);
    tracef("ship %d has %d (%x) %c %f %s", (int)(ship - ships), (int)ship->score, (int)ship->score, 'x',
           (double)ship->score / 4.0, "dots");
}

static void move_ship(int index) {
    struct ship *ship = &ships[index];
    uint8_t held = PADS[index];
    if (held & LEFT) ship->vx -= 2;
    if (held & RIGHT) ship->vx += 2;
    if (held & UP) ship->vy -= 2;
    if (held & DOWN) ship->vy += 2;
    if (held & BUTTON_1) ship->vx = ship->vy = 0;
    if (held & ~held_before[index] & BUTTON_2) enter(scene + 1);
    held_before[index] = held;
    ship->vx = slowed(ship->vx);
    ship->vy = slowed(ship->vy);
    ship->x = around(ship->x + ship->vx);
    ship->y = around(ship->y + ship->vy);
    for (int i = 0; i < DOTS; i++) collect(ship, &dots[i]);
}

static void draw_number(uint32_t number, int32_t x, int32_t y) {
    uint8_t digits[4] = {'0', '0', '0', '0'};
    for (int i = 3; i >= 0; i--, number /= 10) digits[i] = (uint8_t)('0' + number % 10);
    text_utf8(digits, sizeof digits, x, y);
}

static void draw_dots(void) {
    DRAW_COLORS = 0x43;
    for (int i = 0; i < DOTS; i++) {
        uint32_t swell = tick / 8 + i & 3;
        oval(dots[i].x - 3, dots[i].y - 3, 5 + swell, 5 + swell);
    }
}

static void draw_ships(uint32_t flags) {
    for (int i = 0; i < SHIPS; i++) {
        int32_t x = ships[i].x / QUARTERS, y = ships[i].y / QUARTERS;
        DRAW_COLORS = i & 1 ? 0x4320 : 0x2340;
        blit(ARROW_TWO_BITS, x - 4, y - 4, 8, 8, TWO_BITS | flags);
    }
}

static void draw_yard(void) {
    DRAW_COLORS = 0x2;
    hline(-5, 12, 170);
    vline(tick % SIZE, 13, 150);
    DRAW_COLORS = 0x20;
    rect(4, 18, 152, 138);
    draw_dots();
    draw_ships(ships[0].vx < 0 ? FLIP_X : 0);
    DRAW_COLORS = 0x4;
    text("Tour\x80\x81", 2, 2);
    for (int i = 0; i < SHIPS; i++) draw_number(ships[i].score, 56 + 26 * i, 2);
}

/* The picture stays from tick to tick: ships and the mouse paint on it. */
static void draw_canvas(void) {
    for (int i = 0; i < SHIPS; i++) {
        int32_t x = ships[i].x / QUARTERS, y = ships[i].y / QUARTERS;
        DRAW_COLORS = (uint16_t)(1 + (tick / 32 + i & 3));
        line(x, y, x - ships[i].vx, y - ships[i].vy);
        oval(x - 2, y - 2, 4, 4);
    }
    if (MOUSE_BUTTONS) {
        DRAW_COLORS = MOUSE_BUTTONS & 2 ? 0x12 : 0x34;
        rect(MOUSE_X - 3, MOUSE_Y - 3, 7, 7);
        if (MOUSE_BUTTONS & 4) hline(MOUSE_X - 20, MOUSE_Y, 40);
    }
}

static void draw_gallery(void) {
    DRAW_COLORS = 0x4;
    text_utf16(GALLERY, sizeof GALLERY, 2, 2);
    for (uint32_t flags = 0; flags < ALL_FLAGS; flags++) {
        int32_t x = 8 + (int32_t)(flags & 3) * 38, y = 20 + (int32_t)(flags >> 2) * 34;
        const uint8_t *sprite = flags & TWO_BITS ? ARROW_TWO_BITS : ARROW_ONE_BIT;
        DRAW_COLORS = flags & TWO_BITS ? 0x4320 : 0x34;
        blit(sprite, x, y, 8, 8, flags);
        blitSub(sprite, x + 14, y, 5, 7, tick / 16 % 3, 1, 8, flags);
    }
    DRAW_COLORS = 0x31;
    text("Best", 100, 150);
    draw_number(best, 132, 150);
    draw_ships(ROTATE);
}

EXPORT(update) void update(void) {
    tick++;
    if (tick % SCENE_TICKS == 0) enter(scene + 1);
    for (int i = 0; i < SHIPS; i++) move_ship(i);
    if (scene == 0) draw_yard();
    if (scene == 1) draw_canvas();
    if (scene == 2) draw_gallery();
}
