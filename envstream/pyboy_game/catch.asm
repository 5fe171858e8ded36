; Catch: fruit falls from a tree, a basket catches it. Each catch is a point, each miss costs a heart,
; and the fruit falls a little faster with every point.
;
; `catch.py` reads and writes the variables below; a test keeps both equal.

; --- variables --------------------------------------------------------------------------------------

state        = $c000            ; one of the four below
lives        = $c001
score        = $c002            ; two bytes, low first
digits       = $c004            ; the score again, two decimal digits a byte, low byte first
basket       = $c006            ; left edge in 1/256 pixels: two bytes, the second is whole pixels
fruit_x      = $c008            ; left edge
fruit_y      = $c009            ; upper edge in 1/256 pixels, as above
falling      = $c00b            ; 1 while a fruit falls
kind         = $c00c            ; of the fruit: 0 to 3
pause        = $c00d            ; frames until the next fruit
speed        = $c00e            ; of the fruit, in 1/256 pixels a frame: two bytes
seed         = $c010            ; what chance comes from: two bytes
keys         = $c012            ; low four bits: start, select, B, A; high four: down, up, left, right
effect       = $c013            ; frames for which a splash or a sparkle is still shown
effect_x     = $c014
effect_y     = $c015
effect_tile  = $c016
text         = $c017            ; 1 when the words in the middle have to change
sprites      = $c100            ; a copy of the sprites' memory

WAITING      = 0                ; for START, with the title on the screen
NEW          = 1                ; a game begins with the next frame
PLAYING      = 2
OVER         = 3

BASKET_Y     = 120
BASKET_MOST  = 128              ; farthest to the right
BASKET_SPEED = $0180
FRUIT_FIRST  = 16               ; where fruit begins to fall,
FRUIT_BASKET = 108              ; reaches the basket,
FRUIT_PAST   = 116              ; is past it,
FRUIT_GROUND = 120              ; and lies on the ground
REACH        = 20               ; most pixels between the middles of fruit and basket
SPEED_FIRST  = $00c0
SPEED_LAST   = $0140
SPEED_MORE   = 2                ; for each point
LIVES        = 3
PAUSE        = 12
EFFECT       = 18
SPRITES      = 11

VIDEO        = $8000
MAP          = $9800
OAM          = $fe00
JOYPAD       = $ff00
DIVIDER      = $ff04
LCDC         = $ff40
LINE         = $ff44
PALETTE      = $ff47
PALETTE_0    = $ff48
PALETTE_1    = $ff49
INTERRUPTS   = $ffff

; --- the cartridge ----------------------------------------------------------------------------------

        org $0040               ; the picture was drawn: `halt` ends
        reti

        org $0100
        nop
        jp start

        org $0134               ; what stands before it is left empty; the rest of the header is computed
        db "CATCH"

        org $0150
start:  di
        ld sp, $dfff
.wait:  ldh a, [LINE]           ; the screen may be switched off only while nothing is drawn
        cp 144
        jr c, .wait
        xor a
        ldh [LCDC], a

        ld hl, $c000
        ld bc, $0200
        call clear
        ld hl, OAM
        ld bc, 160
        call clear
        ld hl, tiles
        ld de, VIDEO
        ld bc, tiles_end - tiles
        call copy

        ld hl, scene
        ld de, MAP
        ld a, 18
.row:   push af
        ld bc, 20
        call copy
        ld a, e                 ; a row of the map has 32 places, 20 of them are seen
        add a, 12
        ld e, a
        jr nc, .same
        inc d
.same:  pop af
        dec a
        jr nz, .row
        ld hl, words_score
        ld de, MAP + 1
        ld bc, 5
        call copy

        ld a, %11100100
        ldh [PALETTE], a
        ldh [PALETTE_0], a
        ldh [PALETTE_1], a
        ld a, 64
        ld [basket + 1], a
        ld a, 1
        ld [text], a
        ldh [INTERRUPTS], a
        ld a, %10010111         ; screen on, tiles at $8000, sprites of 8 by 16
        ldh [LCDC], a
        ei

main:   halt
        nop
        call show               ; first what has to be done before the next picture is drawn
        call read_keys
        ld a, [state]
        cp PLAYING
        jr z, .play
        cp NEW
        jr z, .new
        call wait_for_start
        jr .next
.new:   call new_game
        jr .next
.play:  call play
.next:  call place_sprites
        jr main

; --- states -----------------------------------------------------------------------------------------

wait_for_start:
        ld a, [keys]
        bit 3, a
        ret z
        ld hl, seed
        ldh a, [DIVIDER]        ; when somebody presses a button is chance enough
        xor [hl]
        ld [hl], a
        ld a, NEW
        ld [state], a
        ret

new_game:
        ld hl, seed             ; chance never comes out of zero
        ld a, [hl+]
        or [hl]
        jr nz, .seeded
        inc [hl]
.seeded:
        ld hl, score
        ld bc, 4
        call clear
        xor a
        ld [falling], a
        ld [effect], a
        ld [basket], a
        ld [fruit_y], a
        ld a, 64
        ld [basket + 1], a
        ld a, FRUIT_FIRST
        ld [fruit_y + 1], a
        ld a, LIVES
        ld [lives], a
        ld a, PAUSE
        ld [pause], a
        ld a, low(SPEED_FIRST)
        ld [speed], a
        ld a, high(SPEED_FIRST)
        ld [speed + 1], a
        ld a, PLAYING
        ld [state], a
        ld [text], a
        ret

play:   call move_basket
        ld hl, effect
        ld a, [hl]
        or a
        jr z, .shown
        dec [hl]
.shown: ld a, [falling]
        or a
        jr nz, fall
        ld hl, pause
        dec [hl]
        ret nz

        ld a, 1                 ; a new fruit
        ld [falling], a
        xor a
        ld [fruit_y], a
        ld a, FRUIT_FIRST
        ld [fruit_y + 1], a
        call chance
        and 3
        ld [kind], a
        call chance
        and 127
        ld b, a
        call chance
        and 15
        add a, b                ; 0 to 142: all of the screen
        ld [fruit_x], a
        ret

fall:   ld hl, fruit_y
        ld a, [speed]
        add a, [hl]
        ld [hl+], a
        ld a, [speed + 1]
        adc a, [hl]
        ld [hl], a
        cp FRUIT_BASKET
        ret c
        cp FRUIT_PAST
        jr nc, past
        ld a, [fruit_x]
        ld b, a
        ld a, [basket + 1]
        sub b
        add a, 8 + REACH        ; the basket is 16 pixels wider than the fruit
        cp 2 * REACH + 1
        ret nc

        ld hl, score            ; caught
        inc [hl]
        jr nz, .low
        inc hl
        inc [hl]
.low:   ld hl, digits
        ld a, [hl]
        add a, 1
        daa
        ld [hl+], a
        ld a, [hl]
        adc a, 0
        daa
        ld [hl], a
        ld hl, speed
        ld a, [hl+]
        cp low(SPEED_LAST)
        jr c, .faster
        ld a, [hl]
        cp high(SPEED_LAST)
        jr nc, .fast
.faster:
        dec hl
        ld a, [hl]
        add a, SPEED_MORE
        ld [hl+], a
        jr nc, .fast
        inc [hl]
.fast:  ld a, tile_sparkle
        ld b, BASKET_Y - 14
        jr vanish

past:   cp FRUIT_GROUND
        ret c
        ld hl, lives            ; missed
        dec [hl]
        jr nz, .alive
        ld a, OVER
        ld [state], a
        ld [text], a
.alive: ld a, tile_splash
        ld b, FRUIT_GROUND

vanish: ld [effect_tile], a
        ld a, b
        ld [effect_y], a
        ld a, [fruit_x]
        ld [effect_x], a
        ld a, EFFECT
        ld [effect], a
        ld a, PAUSE
        ld [pause], a
        xor a
        ld [falling], a
        ret

move_basket:
        ld hl, basket
        ld a, [hl+]
        ld h, [hl]
        ld l, a
        ld a, [keys]
        bit 5, a
        jr z, .right
        ld a, l
        sub low(BASKET_SPEED)
        ld l, a
        ld a, h
        sbc a, high(BASKET_SPEED)
        ld h, a
        jr nc, .moved
        ld hl, 0
        jr .moved
.right: bit 4, a
        ret z
        ld de, BASKET_SPEED
        add hl, de
        ld a, h
        cp BASKET_MOST
        jr c, .moved
        ld hl, BASKET_MOST << 8
.moved: ld a, l
        ld [basket], a
        ld a, h
        ld [basket + 1], a
        ret

; A byte of chance in A: eight turns of a shift register with the feedback 16, 14, 13, 11.
chance: ld hl, seed
        ld c, [hl]
        inc hl
        ld d, [hl]
        ld e, 8
.turn:  srl d
        rr c
        jr nc, .none
        ld a, d
        xor $b4
        ld d, a
.none:  dec e
        jr nz, .turn
        ld a, d
        ld [hl-], a
        ld [hl], c
        ld a, c
        ret

; --- the screen -------------------------------------------------------------------------------------

show:   ld a, [text]
        or a
        jr nz, words            ; there is time for one of both only
        ld hl, sprites
        ld de, OAM
        ld bc, 4 * SPRITES
        call copy
        ld hl, MAP + 7
        ld a, [digits + 1]
        call two_digits
        ld a, [digits]
        jr two_digits

words:  xor a                   ; four rows in the middle: words, or the scene that belongs there
        ld [text], a
        ld a, [state]
        ld hl, words_title
        cp WAITING
        jr z, .first
        ld hl, words_over
        cp OVER
        jr z, .first
        ld hl, scene + 6 * 20 + 3
        ld a, 20 - 14
        jr .rows
.first: xor a
.rows:  ld de, MAP + 6 * 32 + 3
        call words_row
        call words_row
        call words_row
words_row:                      ; from HL, where A bytes lie between two rows
        ld bc, 14
        push af
        call copy
        pop af
        push af
        add a, l
        ld l, a
        jr nc, .down
        inc h
.down:  ld a, e
        add a, 32 - 14
        ld e, a
        jr nc, .done
        inc d
.done:  pop af
        ret

two_digits:
        ld b, a
        swap a
        and 15
        add a, '0'
        ld [hl+], a
        ld a, b
        and 15
        add a, '0'
        ld [hl+], a
        ret

place_sprites:
        ld hl, sprites
        ld a, [basket + 1]
        add a, 8                ; the screen's corner is at 8, 16
        ld c, a
        ld b, BASKET_Y + 16
        ld de, tile_basket << 8 | %00010000
        call pair
        call pair

        ld a, [falling]
        or a
        ld b, 0                 ; above the screen: not seen
        jr z, .fruit
        ld a, [fruit_y + 1]
        add a, 16
        ld b, a
.fruit: ld a, [fruit_x]
        add a, 8
        ld c, a
        ld a, [kind]
        add a, a
        add a, a
        add a, tile_fruit
        ld d, a
        ld e, 0
        call pair

        ld a, [effect]
        or a
        ld b, 0
        jr z, .effect
        ld a, [effect_y]
        add a, 16
        ld b, a
.effect:
        ld a, [effect_x]
        add a, 8
        ld c, a
        ld a, [effect_tile]
        ld d, a
        call pair

        ld a, [lives]
        ld e, a
        ld bc, $1088            ; at 128, 0
        ld d, tile_heart
.heart: ld a, e
        or a
        jr nz, .full
        ld d, tile_no_heart
        inc e
.full:  dec e
        push de
        ld e, 0
        call one
        pop de
        ld a, c
        cp $88 + 3 * 8
        jr c, .heart
        ret

; Two sprites side by side at B, C, with the tiles from D on and the attributes E; all of them move on.
pair:   call one
one:    ld a, b
        ld [hl+], a
        ld a, c
        ld [hl+], a
        add a, 8
        ld c, a
        ld a, d
        ld [hl+], a
        inc d
        inc d
        ld a, e
        ld [hl+], a
        ret

; --- small things -----------------------------------------------------------------------------------

read_keys:
        ld a, $20
        ldh [JOYPAD], a
        ldh a, [JOYPAD]
        ldh a, [JOYPAD]         ; the lines need a moment
        cpl
        and 15
        swap a
        ld b, a
        ld a, $10
        ldh [JOYPAD], a
        ldh a, [JOYPAD]
        ldh a, [JOYPAD]
        ldh a, [JOYPAD]
        cpl
        and 15
        or b
        ld [keys], a
        ret

; BC bytes from HL to DE.
copy:   ld a, [hl+]
        ld [de], a
        inc de
        dec bc
        ld a, b
        or c
        jr nz, copy
        ret

; BC bytes of zero from HL on.
clear:  xor a
        ld [hl+], a
        dec bc
        ld a, b
        or c
        jr nz, clear
        ret

words_score: db "SCORE"
words_title: db "              "
             db "    CATCH!    "
             db " PRESS  START "
             db "              "
words_over:  db "              "
             db "  GAME OVER!  "
             db " PRESS  START "
             db "              "

scene:  blob scene
tiles:  blob tiles
tiles_end:
