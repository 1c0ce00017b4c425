"""De-identification of DICOM files: which elements go, are replaced or are cleaned, and the pixels."""
