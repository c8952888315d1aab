"""The console: pages on NiceGUI, drawn from `app.views`. Nothing here decides anything; what people do goes through
the API."""
