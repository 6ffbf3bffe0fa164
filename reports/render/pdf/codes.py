"""The square code of an address, as a drawing."""

from reports.core.drawing import Drawing, Rect


def square(text: str) -> Drawing:
    from reportlab.graphics.barcode.qr import QrCodeWidget

    widget = QrCodeWidget(text, barLevel="M")
    widget.qr.make()
    count = widget.qr.getModuleCount()
    dark = [Rect(x=x + 4, y=y + 4, width=1.02, height=1.02, fill="#000000") for y in range(count) for x in range(count) if widget.qr.isDark(y, x)]
    return Drawing(width=count + 8, height=count + 8, items=tuple(dark), description=text)
