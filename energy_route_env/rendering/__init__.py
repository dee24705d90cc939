"""What an episode looks like: text, pictures and a window, for `render_mode`.

`view.py` is what is shown, `text.py` and `picture.py` show it, `screen.py` keeps it up to date. Pillow and pygame are
imported only when a mode needs them.
"""

from energy_route_env.rendering.screen import RENDER_FPS, RENDER_MODES, Screen
from energy_route_env.rendering.text import Frame, Moment

__all__ = ["RENDER_FPS", "RENDER_MODES", "Frame", "Moment", "Screen"]
