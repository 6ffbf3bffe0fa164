"""A PAdES signature (baseline B-B: ETSI EN 319 142-1) over a finished PDF. It certifies the file: only further signatures may be added to it."""

import io
from typing import Any, Final

FIELD: Final = "Issuer"
ROOM: Final = 16_384  # bytes that are left for the signature and its certificates


def signed(pdf: bytes, *, pkcs12: bytes, passphrase: str, reason: str = "", password: str = "") -> bytes:
    """The file with its signature behind it. The time of signing stands in it, so it is not the same twice.

    password: that of an encrypted file. Raises ValueError where the key cannot be read.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers

    signer = signers.SimpleSigner.load_pkcs12_data(pkcs12, other_certs=[], passphrase=passphrase.encode() or None)
    if signer is None:
        raise ValueError("the key cannot be read")
    writer: Any = IncrementalPdfFileWriter(io.BytesIO(pdf))
    if password:
        writer.encrypt(user_pwd=password.encode())
    about = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=fields.MDPPerm.FILL_FORMS,
        reason=reason or None,
    )
    made = signers.PdfSigner(about, signer).sign_pdf(writer, bytes_reserved=2 * ROOM)
    content: bytes = made.getvalue()
    return content
