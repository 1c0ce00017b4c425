"""DICOM for the decoder child. Imported there only: pydicom and its codecs never see a file in the site's process."""
