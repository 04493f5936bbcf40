//! Typed, side-effect free expressions: `${{ … }}`.
