"""Plain data of `app.views` drawn as HTML and SVG: pure functions, no server, no store."""
