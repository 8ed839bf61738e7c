"""The filter at work in a real OBS, before a camera or a drawn scene: a recording and a contact sheet."""
