"""What Ctrl-C and other requests to end do to a script that has something to save.

Until there is something to save, they end the process at once, with one line. Then the first one
raises KeyboardInterrupt, for the script to save what there is. All others are only noted: nothing
interrupts the saving. (Imported before all else, so this imports next to nothing.)
"""

import os
import signal

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")  # Windows lacks the last two


class Interrupts:
    """Handles the signals that ask a process to end.

    Attributes
    ----------
    received : int
        The first signal that came once there was something to save; 0 if none did.
    """

    def __init__(self, name: str):
        self.name, self.received = name, 0
        self._something, self._raises = False, False

    def install(self) -> None:
        """Begin. What a parent process has set to be ignored, as nohup does, stays so."""
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def begin(self) -> None:
        """From now on there is something to save; call it again and again.

        Raises KeyboardInterrupt if an earlier one got lost on its way: Python drops what is raised
        while it tidies up.
        """
        if not self._something:
            self._something = self._raises = True
        if self.received and self._raises:
            raise KeyboardInterrupt

    def hold(self) -> None:
        """From now on signals are noted only: the saving begins."""
        self._something, self._raises = True, False

    def rest(self) -> None:
        """From now on there is nothing to save, until `begin` is called again."""
        self._something = self._raises = False

    def end(self) -> None:
        """Ignore what comes now: at its end Python takes the handlers away before it is through."""
        for name in NAMES:
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, frame) -> None:
        if not self._something:
            text = f"\n{self.name}: {signal.Signals(number).name}: nothing was to be saved yet\n"
            try:
                os.write(2, text.encode())
            finally:
                os._exit(128 + number)
        first, self.received = not self.received, self.received or number
        if first and self._raises:
            raise KeyboardInterrupt
