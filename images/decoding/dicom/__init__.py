"""DICOM for the decoder child. Imported there only: pydicom and its codecs never meet a file in the site's process."""
